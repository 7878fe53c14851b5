import random

import pytest
import torch

from diff_harmonization.benchmarks.photos import split_ids as benchmark_ids
from diff_harmonization.evaluator.data import (
    COMPOSITE_LABEL,
    VERSIONS,
    Sampler,
    augment,
    cut_crops,
    read_split,
    split_ids,
)


@pytest.fixture(scope="module")
def crops(photo_set):
    return cut_crops(read_split(photo_set, "train"), 4, 2, random.Random(0))


@pytest.fixture
def picture():
    generator = torch.Generator().manual_seed(0)
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., 8:24, 8:24] = 1
    return 0.5 + 0.1 * torch.randn(1, 3, 32, 32, generator=generator).clamp(-3, 3), mask


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


def test_a_batch(crops):
    sampler = Sampler(crops, seed=0)
    inputs, labels = sampler.batch(0, 3)
    assert inputs.shape == (3 * VERSIONS, 4, 64, 64)
    assert inputs[:, :3].min() >= -1 and inputs[:, :3].max() <= 1
    assert inputs[:, 3].min() >= 0 and inputs[:, 3].max() <= 1
    again, other = sampler.batch(0, 3), sampler.batch(1, 3)
    assert torch.equal(again[0], inputs) and torch.equal(again[1], labels)
    assert not torch.equal(other[0], inputs)


@pytest.mark.parametrize(("row", "best"), [(0, 1.0), (15, COMPOSITE_LABEL)])
def test_versions_of_a_photo_share_all_but_the_objects_color(crops, row, best):
    sampler, generator, untouched = Sampler(crops, seed=0), torch.Generator(), 0
    for seed in range(20):
        inputs, labels = sampler.versions(row, generator.manual_seed(seed))
        assert (inputs[:, 3] == inputs[:1, 3]).all()
        # softening spreads the object's edge, and the moved edge of the mask may lie inside the object
        scene = (torch.nn.functional.max_pool2d(inputs[:1, 3:], 9, 1, 4) == 0).expand(VERSIONS, 3, -1, -1)
        assert torch.allclose(inputs[:, :3][scene], inputs[:1, :3].expand(VERSIONS, -1, -1, -1)[scene], atol=1e-6)
        assert (labels <= best).all()
        if labels[0] != labels[1]:
            assert (inputs[0, :3] - inputs[1, :3]).abs().max() > 1e-2
        untouched += bool(labels[0] == best)
    assert 8 <= untouched <= 18


def test_kinds_of_photo_are_drawn_alike_for_every_kind_of_object(crops):
    weights = Sampler(crops, seed=0).weights
    for name in ("tree", "car"):
        shares = [
            weights[[o == name and n == kind for o, n in zip(crops.objects, crops.natural.tolist(), strict=True)]].sum()
            for kind in (True, False)
        ]
        assert shares[0] == pytest.approx(shares[1])


def test_augmentation_treats_versions_alike(picture):
    image, mask = picture
    for seed in range(20):
        images, plane = augment(image.expand(2, -1, -1, -1), mask, torch.Generator().manual_seed(seed))
        assert torch.equal(images[0], images[1])
        assert plane.shape == mask.shape and plane.min() >= 0 and plane.max() <= 1
        assert images.min() >= 0 and images.max() <= 1
