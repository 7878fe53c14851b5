import pytest
import torch
from torch.nn.functional import avg_pool2d, interpolate

from diff_harmonization.mini.diffharmony.vae import empty_vae
from diff_harmonization.training.diffharmony.vae import moments
from diff_harmonization.training.diffharmony.vae_start import LOG_VARIANCE, OPPONENT, start_with_colors


@pytest.fixture(scope="module")
def vae():
    torch.manual_seed(0)
    network = empty_vae()
    start_with_colors(network)
    return network.requires_grad_(False)


@pytest.fixture(scope="module")
def pictures():
    """Smooth pictures [2,3,64,64] in [-1,1]."""
    coarse = torch.rand(2, 3, 5, 5, generator=torch.Generator().manual_seed(0)) * 1.6 - 0.8
    return interpolate(coarse, 64, mode="bicubic", align_corners=True).clamp(-1, 1)


def test_the_latents_are_the_means_of_small_squares(vae, pictures):
    mean, log_variance = moments(vae, pictures)
    expected = torch.einsum("ij,bjhw->bihw", OPPONENT, avg_pool2d(pictures, 4))
    assert (mean[:, :3] - expected).abs().mean() < 0.03
    assert (log_variance.mean((0, 2, 3)) - LOG_VARIANCE).abs().max() < 2  # the random features add to it


def test_it_decodes_them(vae, pictures):
    decoded = vae.decode(moments(vae, pictures)[0])
    squares = interpolate(avg_pool2d(pictures, 4), scale_factor=4.0)
    assert (decoded - squares).abs().mean() < 0.03
    assert (decoded - pictures).abs().mean() < 0.1


def test_a_level_picture_keeps_its_color(vae):
    """The normalizations would lose it, were it not for the constant channels."""
    for color in ((0.8, -0.6, 0.1), (-0.9, -0.9, -0.9), (0.0, 0.0, 0.0)):
        level = torch.tensor(color)[None, :, None, None].expand(1, 3, 64, 64)
        assert (vae.decode(moments(vae, level)[0]) - level)[..., 8:-8, 8:-8].abs().max() < 0.1
