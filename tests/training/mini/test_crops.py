import random

import numpy as np
import pytest
import torch
from PIL import Image

from diff_harmonization.data.photos import Photo
from diff_harmonization.training.mini.crops import SIZE, cut_crops, random_square


def box_mask(height: int, width: int, top: int, left: int, h: int, w: int) -> torch.Tensor:
    mask = torch.zeros(height, width)
    mask[top : top + h, left : left + w] = 1
    return mask


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    """A picture whose red channel is its mask."""
    folder = tmp_path_factory.mktemp("photos")
    mask = (box_mask(120, 160, 30, 40, 50, 60) * 255).byte().numpy()
    for name, pixels in (
        ("images/a.jpg", np.stack([mask, np.full_like(mask, 128), np.zeros_like(mask)], -1)),
        ("masks/a.png", mask),
    ):
        (folder / name).parent.mkdir()
        Image.fromarray(pixels).save(folder / name)
    return Photo("a", "tree", True, folder)


def test_crops_keep_picture_and_mask_together(photo):
    crops = cut_crops([photo], 5, random.Random(0))
    assert crops.images.shape == (5, 3, SIZE, SIZE)
    assert crops.masks.shape == (5, 1, SIZE, SIZE)
    assert crops.images.dtype == crops.masks.dtype == torch.uint8
    assert crops.objects == ["tree"] * 5
    difference = (crops.images[:, 0].float() - crops.masks[:, 0].float()).abs()
    assert difference.mean() < 8  # JPEG's blur along the edge
    assert not torch.equal(crops.images[0], crops.images[1])


def test_crops_too_small_to_see_are_left_out(tmp_path):
    for name, pixels in (("images/a.jpg", np.zeros((120, 160, 3), np.uint8)), ("masks/a.png", speck_mask())):
        (tmp_path / name).parent.mkdir()
        Image.fromarray(pixels).save(tmp_path / name)
    with pytest.raises(ValueError, match="The photos give no square with a fair share"):
        cut_crops([Photo("a", "tree", True, tmp_path)], 3, random.Random(0))


def speck_mask() -> np.ndarray:
    return (box_mask(120, 160, 50, 50, 2, 2) * 255).byte().numpy()


@pytest.mark.parametrize("box", [(0, 0, 9, 12), (100, 130, 20, 30), (10, 10, 100, 140), (60, 80, 1, 1)])
def test_random_squares_hold_the_middle_of_the_object(box):
    mask, dice = box_mask(120, 160, *box).bool(), random.Random(0)
    middle = box[0] + box[2] / 2, box[1] + box[3] / 2
    for _ in range(50):
        square = random_square(mask, dice)
        assert 0 <= square.top <= middle[0] <= square.top + square.height <= 120
        assert 0 <= square.left <= middle[1] <= square.left + square.width <= 160
