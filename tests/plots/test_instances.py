"""What the pictures of instances show must be what the instances are."""

import pytest
import torch

from diff_harmonization.plots.instances import plot_instances, plot_similarity


@pytest.fixture
def image():
    return torch.full((40, 60, 3), 0.5)


@pytest.fixture
def mask():
    """A box in the middle, at half of the image's size."""
    plane = torch.zeros(20, 30)
    plane[8:12, 12:18] = 1
    return plane


def colors(picture, *places):
    return [tuple(picture[place].tolist()) for place in places]


def test_every_instance_has_a_color_of_its_own_and_the_rest_is_dark(image, mask):
    masks = torch.zeros(3, 20, 30)
    masks[0, :, :8], masks[1, :, 22:26], masks[2, :4, 10:20] = 1, 1, 1
    shown = plot_instances(image, masks, mask)
    assert shown.shape == image.shape and shown.min() >= 0 and shown.max() <= 1
    places = [(20, 5), (20, 48), (2, 30)]
    assert len(set(colors(shown, *places))) == 3
    for place in places:
        assert shown[place].max() - shown[place].min() > 0.3
    assert colors(shown, (20, 57)) == [pytest.approx((0.175,) * 3, abs=0.01)]


def test_many_instances_have_as_many_colors():
    masks = torch.eye(36).view(36, 6, 6)
    shown = plot_instances(torch.full((60, 60, 3), 0.5), masks, torch.zeros(6, 6))
    inner = shown[5::10, 5::10].reshape(-1, 3)
    assert torch.cdist(inner, inner).add(torch.eye(36)).min() > 0.02


def test_the_smallest_of_overlapping_instances_is_seen(image, mask):
    masks = torch.ones(2, 20, 30)
    masks[0, :, 4:] = 0
    alone = plot_instances(image, torch.stack((masks[0], torch.zeros(20, 30))), mask)
    both = plot_instances(image, masks, mask)
    assert torch.equal(both[:, :4], alone[:, :4])
    assert not torch.equal(both[:, 40:], alone[:, 40:])


@pytest.mark.parametrize("plot", [plot_instances, plot_similarity])
def test_the_object_keeps_its_colors_in_a_white_outline(image, mask, plot):
    image[16:24, 24:36] = torch.tensor([0.9, 0.1, 0.2])
    other = torch.zeros(1, 20, 30) if plot is plot_instances else torch.zeros(20, 30)
    shown = plot(image, other, mask)
    assert torch.allclose(shown[18:22, 26:34], image[18:22, 26:34])
    white = (shown == 1).all(-1)
    assert white.any(1).nonzero().flatten().tolist() == list(range(15, 25))
    assert white.any(0).nonzero().flatten().tolist() == list(range(23, 37))
    assert not white[16:24, 24:36].any()


def test_what_looks_like_the_object_is_lit(image, mask):
    importance = torch.linspace(0, 1, 60).expand(40, 60)
    shown = plot_similarity(image, importance, torch.zeros(20, 30))
    light = shown.mean(-1)[20]
    assert (light.diff() > 0).all()
    assert light[0] < 0.2 and light[-1] > 0.7


@pytest.mark.skipif(not torch.accelerator.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("plot", [plot_instances, plot_similarity])
def test_pictures_on_the_gpu_are_drawn_on_the_cpu(image, mask, plot):
    other = mask[None] if plot is plot_instances else mask
    device = torch.accelerator.current_accelerator()
    assert torch.equal(plot(image.to(device), other, mask.to(device)), plot(image, other, mask))


def test_large_pictures_are_shrunk(mask):
    shown = plot_similarity(torch.zeros(1000, 3000, 3), torch.zeros(1000, 3000), mask)
    assert shown.shape == (341, 1024, 3)
