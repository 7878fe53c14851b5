import sys

import pytest
import torch
from torch.nn.functional import max_pool2d

from diff_harmonization.core.painted import snapped


@pytest.fixture
def picture():
    """A red ball on a green and blue ramp, both with noise, and its mask."""
    generator = torch.Generator().manual_seed(0)
    y, x = torch.meshgrid(torch.arange(160.0), torch.arange(200.0), indexing="ij")
    mask = ((y - 80) ** 2 + (x - 110) ** 2 < 45**2).float()
    scene = torch.stack((0.2 * torch.ones_like(x), 0.3 + x / 400, 0.3 + y / 400), dim=-1)
    ball = torch.tensor([0.8, 0.3, 0.2]).expand(160, 200, 3)
    noise = 0.04 * torch.randn(160, 200, 3, generator=generator)
    return (torch.lerp(scene, ball, mask[..., None]) + noise).clamp(0, 1), mask


def likeness(mask, other):
    both, either = torch.minimum(mask, other).sum(), torch.maximum(mask, other).sum()
    return (both / either).item()


def wider(mask, by):
    return max_pool2d(mask[None], 2 * by + 1, 1, by)[0]


@pytest.mark.parametrize("by", [3, -3])
def test_paint_comes_to_the_edge(picture, by):
    image, mask = picture
    painted = wider(mask, by) if by > 0 else 1 - wider(1 - mask, -by)
    found = snapped(image, painted)
    assert likeness(painted, mask) < 0.89 and likeness(found, mask) > 0.98
    assert torch.equal(snapped(image, painted), found) and set(found.unique().tolist()) == {0.0, 1.0}


def test_an_exact_mask_stays_as_it_is(picture):
    image, mask = picture
    assert likeness(snapped(image, mask), mask) > 0.98


def test_a_large_picture_is_looked_at_smaller(picture):
    image, mask = picture
    large, plane = image.repeat_interleave(12, 0).repeat_interleave(12, 1), mask.repeat_interleave(12, 0)
    plane = plane.repeat_interleave(12, 1)
    found = snapped(large, wider(plane, 40))
    assert found.shape == plane.shape and likeness(found, plane) > 0.97
    assert ((found > 0) & (found < 1)).any()  # its edge is as soft as the smaller picture's pixels


def test_paint_on_nothing_in_particular_finds_no_edge():
    noise = torch.rand(80, 80, 3, generator=torch.Generator().manual_seed(0))
    mask = torch.zeros(80, 80)
    mask[20:60, 20:60] = 1
    found = snapped(noise, mask)
    assert found is None or likeness(found, mask) >= 0.6


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_nothing_to_compare_with(picture, value):
    image, mask = picture
    assert snapped(image, torch.full_like(mask, value)) is None


def test_without_opencv(picture, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(ModuleNotFoundError):
        snapped(*picture)
