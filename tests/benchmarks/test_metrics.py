import pytest
import torch
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio

from diff_harmonization.benchmarks.metrics import Score, bin_of, mean_score, score


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
