import random

import pytest
import torch

from diff_harmonization.data.photos import split_ids as benchmark_ids
from diff_harmonization.training.evaluator.crops import cut_crops, read_split, split_ids


def test_the_held_back_are_as_many_of_either_kind_and_no_ones_else():
    ids = split_ids()
    theirs = {photo_id for group in benchmark_ids().values() for photo_id in group}
    assert len(ids["held_back"]) == len(set(ids["held_back"])) == 300
    assert not {*ids["held_back"], *ids["duplicates"]} & theirs
    assert not set(ids["held_back"]) & set(ids["duplicates"])


def test_training_sees_nothing_that_is_held_back_here_or_by_the_benchmarks(tmp_path):
    held_back = [i for ids in (split_ids(), benchmark_ids()) for group in ids.values() for i in group]
    rows = [f"{i},natural,tree" for i in [*held_back, "new_1"]] + ["new_2,composite,tree"]
    (tmp_path / "index.csv").write_text("\n".join(["id,kind,object", *rows]) + "\n")
    assert [photo.id for photo in read_split(tmp_path, "train")] == ["new_1", "new_2"]
    assert {photo.id for photo in read_split(tmp_path, "held_back")} == set(split_ids()["held_back"])


def test_crops_are_squares_of_the_networks_side(crops):
    assert crops.images.shape == (16, 3, 64, 64)
    assert crops.masks.shape == (16, 1, 64, 64)
    assert crops.ids[::2] == [f"t{index}" for index in range(8)]
    assert crops.natural.tolist() == [True] * 10 + [False] * 6
    shares = crops.masks.float().mean((1, 2, 3)) / 255
    assert shares.min() > 0.02 and shares.max() < 0.95
    assert crops.halved().images.shape == (16, 3, 32, 32)


def test_crops_do_not_tell_the_kinds_by_their_shape(crops):
    """The composites are wider; a stretch to the square would make their boxes narrower than they are."""
    first = crops.masks[::2, 0] > 127
    for mask in first:
        assert mask.any(1).sum().item() / mask.any(0).sum().item() == pytest.approx(30 / 36, abs=0.05)


def test_photos_without_a_fair_share_of_both_are_an_error(photo_set, monkeypatch):
    photos = read_split(photo_set, "train")
    monkeypatch.setattr(type(photos[0]), "mask", lambda self: torch.ones(self.image().shape[:2]))
    with pytest.raises(ValueError, match="8 photos give no square with a fair share"):
        cut_crops(photos, 4, 2, random.Random(0))
