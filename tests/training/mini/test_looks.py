import pytest
import torch

from diff_harmonization.description.statistics.appearance import AXES
from diff_harmonization.description.statistics.norms import load_norms
from diff_harmonization.training.mini.looks import CLEAREST, FARTHEST, look_loss, object_looks


@pytest.fixture
def pictures():
    """Two images [2,3,16,16] of middle tones, and masks of their middle."""
    masks = torch.zeros(2, 1, 16, 16)
    masks[..., 4:12, 4:12] = 1
    return 0.3 + 0.3 * torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0)), masks


def test_the_loss_is_the_squared_distance_of_the_looks_in_the_norms_scale(pictures):
    images, masks = pictures
    made, sigma = images * 0.9 + 0.02, torch.tensor([0.0, 1.0])
    off = (object_looks(made, masks) - object_looks(images, masks)) / load_norms().scale
    assert off.abs().max() < FARTHEST and off.shape == (2, len(AXES))
    each = off.square().mean(1)
    expected = (each[0] + each[1] / 2) / 1.5  # the noisier counts half
    torch.testing.assert_close(look_loss(made, images, masks, sigma), expected)
    assert look_loss(images, images, masks, sigma) < 1e-6


def test_what_lies_beside_the_object_counts_next_to_nothing(pictures):
    images, masks = pictures
    made = torch.where(masks > 0, images, 0.9)
    inside = torch.where(masks > 0, 0.9, images)
    sigma = torch.zeros(2)
    assert look_loss(made, images, masks, sigma) < 1e-3 < look_loss(inside, images, masks, sigma)


def test_pictures_under_strong_noise_do_not_count(pictures):
    images, masks = pictures
    assert look_loss(images * 0.5, images, masks, torch.full((2,), CLEAREST + 1)) == 0


def test_gradients_are_finite_at_black_and_at_gray(pictures):
    images, masks = pictures
    for value in (-0.2, 0.5):
        made = torch.full_like(images, value).requires_grad_()
        (slope,) = torch.autograd.grad(look_loss(made, images, masks, torch.zeros(2)), made)
        assert slope.isfinite().all()
