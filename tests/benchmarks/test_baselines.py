import pytest
import torch
from pairs import to_lab

from diff_harmonization.benchmarks.baselines import MeanRegression, color_transfer, nothing, oracle_mean, shift_mean
from diff_harmonization.benchmarks.metrics import score
from diff_harmonization.data.pairs import build_pairs, read_pairs


@pytest.fixture
def pair(pairs_folder):
    return next(read_pairs(pairs_folder))


def test_nothing_returns_the_composite(pair):
    assert torch.equal(nothing(pair), pair.composite)


@pytest.mark.parametrize("method", ["reinhard_lab", "mkl_lab"])
def test_color_transfer_gives_the_foreground_the_backgrounds_mean(pair, method):
    result = color_transfer(method)(pair)
    inside = pair.mask > 0
    assert torch.equal(result[~inside], pair.composite[~inside])
    means = [to_lab(result)[region].mean(0) for region in (inside, ~inside)]
    assert (means[0] - means[1]).norm() < 2
    assert 0 <= result.min() <= result.max() <= 1


def test_oracle_mean_lowers_fmse(pairs_folder, photos):
    for pair in (*read_pairs(pairs_folder), *build_pairs(photos)):
        result = oracle_mean(pair)
        before, after = (score(x, pair.truth, pair.mask).fmse for x in (pair.composite, result))
        assert after < 0.8 * before
        assert torch.equal(result[pair.mask == 0], pair.composite[pair.mask == 0])


def test_shift_mean_moves_the_foreground(pair):
    inside = pair.mask > 0
    shifted = shift_mean(pair, torch.tensor([5.0, 2.0, -3.0]))
    change = (to_lab(shifted) - to_lab(pair.composite))[inside].mean(0)
    assert change.tolist() == pytest.approx([5, 2, -3], abs=0.5)


def test_the_regression_learns_the_kinds_of_object(photos):
    regression = MeanRegression(photos)
    assert regression.names == ["car", "horse", "tree"]
    pairs = list(build_pairs(photos))
    predicted = torch.stack([regression.predict(pair) for pair in pairs])
    truths = torch.stack([to_lab(pair.truth)[pair.mask > 0].mean(0) for pair in pairs])
    assert (predicted - truths).norm() < (truths - truths.mean(0)).norm()


def test_half_way_moves_half_of_the_way(photos, pair):
    regression = MeanRegression(photos)
    inside = pair.mask > 0
    actual, got = (to_lab(x)[inside].mean(0) for x in (pair.composite, regression.half_way(pair)))
    assert torch.allclose(got, (actual + regression.predict(pair)) / 2, atol=1.0)


def test_the_regression_takes_kinds_it_has_not_seen(photos, pairs_folder):
    regression = MeanRegression(photos[:2])
    assert regression.features("zeppelin", photos[0].image(), photos[0].mask())[:2].tolist() == [0, 0]
