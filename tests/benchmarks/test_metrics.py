import pytest
import torch
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio

from diff_harmonization.benchmarks.metrics import (
    HEADERS,
    AgainstNothing,
    Score,
    against_nothing,
    bin_of,
    mean_score,
    score,
)


@pytest.fixture
def pictures():
    generator = torch.Generator().manual_seed(0)
    truth = torch.rand(40, 50, 3, generator=generator)
    result = (truth + 0.05 * torch.randn(40, 50, 3, generator=generator)).clamp(0, 1)
    mask = torch.zeros(40, 50)
    mask[5:20, 10:30] = 1
    return result, truth, mask


def test_scores_are_those_of_scikit_image_on_8_bits(pictures):
    result, truth, mask = pictures
    a, b = ((x * 255).round().byte().numpy() for x in (result, truth))
    inside = mask.bool().numpy()
    got = score(result, truth, mask)
    assert got.psnr == pytest.approx(peak_signal_noise_ratio(b, a, data_range=255), rel=1e-6)
    assert got.mse == pytest.approx(mean_squared_error(b, a), rel=1e-5)
    assert got.fmse == pytest.approx(mean_squared_error(b[inside], a[inside]), rel=1e-5)


def test_known_values():
    truth = torch.full((10, 10, 3), 100 / 255)
    result, mask = truth.clone(), torch.zeros(10, 10)
    mask[:5] = 1
    result[0] = 120 / 255
    got = score(result, truth, mask)
    assert got.mse == pytest.approx(40)
    assert got.fmse == pytest.approx(80)
    assert got.psnr == pytest.approx(32.110, abs=1e-3)


def test_values_out_of_range_are_clipped_and_rounded(pictures):
    _, truth, mask = pictures
    white = torch.ones_like(truth)
    assert score(white + 0.3, white, mask).mse == 0
    assert score(white - 0.4 / 255, white, mask).mse == 0


def test_equal_pictures_have_a_finite_psnr(pictures):
    _, truth, mask = pictures
    assert 100 < score(truth, truth, mask).psnr < 200


def test_means_are_taken_over_images():
    assert mean_score([Score(20, 100, 10), Score(30, 300, 30)]) == Score(25, 200, 20)


def scores(*fmse: float) -> list[Score]:
    return [Score(30, 1, x) for x in fmse]


def test_a_good_mean_does_not_hide_what_it_made_worse():
    compared = against_nothing(scores(0, 0, 350), scores(1000, 1000, 100))
    assert compared == AgainstNothing(3, pytest.approx(350 / 2100), 1, pytest.approx(0.9 * 3.5), 250)
    assert compared.cells() == ("0.17x", "1 (33%)", "3.15x", "+250")


@pytest.mark.parametrize(("fmse", "worse"), [(500, 0), (600, 0), (600.5, 1), (300, 0)])
def test_visibly_worse_is_a_rise_of_more_than_ten_levels_squared(fmse, worse):
    assert against_nothing(scores(fmse), scores(500)).visibly_worse == worse


def test_the_percentile_is_of_the_pairs_own_ratios():
    untouched = [float(10 ** (n % 4)) for n in range(101)]
    hundredths = scores(*(base * n / 100 for n, base in enumerate(untouched)))
    assert against_nothing(hundredths, scores(*untouched)).high_ratio == pytest.approx(0.95)


def test_the_worst_of_a_hundred_pairs_are_beyond_the_percentile():
    untouched = scores(*[100.0] * 100)
    assert against_nothing(scores(*[100.0] * 96, *[900.0] * 4), untouched).high_ratio == 1
    assert against_nothing(scores(*[100.0] * 90, *[900.0] * 10), untouched).high_ratio == 9


def test_doing_nothing_is_no_worse_than_itself():
    assert against_nothing(scores(10, 2000), scores(10, 2000)).cells() == ("1.00x", "0 (0%)", "1.00x", "+0")


def test_a_pair_that_needed_nothing_has_no_ratio_but_can_be_made_worse():
    compared = against_nothing(scores(400, 50, 0), scores(0, 100, 0))
    assert compared == AgainstNothing(3, 4.5, 1, 0.5, 400)


def test_pairs_that_all_needed_nothing_leave_the_ratios_out():
    assert against_nothing(scores(400, 0), scores(0, 0)).cells() == ("-", "1 (50%)", "-", "+400")


def test_the_worst_pair_is_the_one_that_rises_most():
    compared = against_nothing(scores(100, 1600, 20), scores(90, 100, 3000))
    assert compared.worst == 1500 and compared.cells()[-1] == "+1,500"
    assert against_nothing(scores(10), scores(60)).cells()[-1] == "-50"


def test_there_is_a_header_for_each_cell():
    assert len(HEADERS) == len(against_nothing(scores(1), scores(1)).cells())


def test_other_numbers_of_pairs_are_refused():
    with pytest.raises(ValueError, match="longer"):
        against_nothing(scores(1), scores(1, 2))


@pytest.mark.parametrize(
    ("ratio", "name"),
    [
        (0.0, "0-5%"),
        (0.05, "0-5%"),
        (0.0501, "5-15%"),
        (0.15, "5-15%"),
        (0.151, "15-100%"),
        (1.0, "15-100%"),
    ],
)
def test_bins(ratio, name):
    assert bin_of(ratio) == name
