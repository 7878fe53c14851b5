import random

import pytest
import torch

from diff_harmonization.data.photos import read_photos
from diff_harmonization.training.evaluator.crops import cut_crops, random_square


def test_crops_are_squares_of_the_networks_side(crops):
    assert crops.images.shape == (16, 3, 64, 64)
    assert crops.masks.shape == (16, 1, 64, 64)
    assert crops.ids[::2] == [f"t{index}" for index in range(8)]
    assert crops.natural.tolist() == [True] * 10 + [False] * 6
    shares = crops.masks.float().mean((1, 2, 3)) / 255
    assert shares.min() > 0.02 and shares.max() < 0.95


def test_crops_do_not_tell_the_kinds_by_their_shape(crops):
    """The composites are wider; a stretch to the square would make their boxes narrower than they are."""
    first = crops.masks[::2, 0] > 127
    for mask in first:
        assert mask.any(1).sum().item() / mask.any(0).sum().item() == pytest.approx(30 / 36, abs=0.05)


def test_photos_without_a_fair_share_of_both_are_an_error(photo_set, monkeypatch):
    photos = read_photos(photo_set, "evaluator_train")
    monkeypatch.setattr(type(photos[0]), "mask", lambda self: torch.ones(self.image().shape[:2]))
    with pytest.raises(ValueError, match="The photos give no square with a fair share"):
        cut_crops(photos, 4, 2, random.Random(0))


@pytest.mark.parametrize("box", [(0, 0, 9, 12), (100, 130, 20, 30), (10, 10, 100, 140), (60, 80, 1, 1)])
def test_random_squares_lie_in_the_picture_and_hold_the_middle_of_the_object(box):
    mask, dice = torch.zeros(120, 160), random.Random(0)
    mask[box[0] : box[0] + box[2], box[1] : box[1] + box[3]] = 1
    middle, aspects = (box[0] + box[2] / 2, box[1] + box[3] / 2), set()
    for _ in range(50):
        square = random_square(mask, dice)
        assert 0 <= square.top <= middle[0] <= square.top + square.height <= 120
        assert 0 <= square.left <= middle[1] <= square.left + square.width <= 160
        aspects.add(round(square.height / square.width, 2))
    assert len(aspects) > 1
