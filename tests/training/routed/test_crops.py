import random

import pytest
import torch

from diff_harmonization.data.photos import Photo, split_ids
from diff_harmonization.methods.routed.instances import find_instances
from diff_harmonization.methods.routed.network import SIDE
from diff_harmonization.methods.routed.similarity import importance_map, similarities
from diff_harmonization.training.evaluator.crops import SHARES
from diff_harmonization.training.routed import crops as module
from diff_harmonization.training.routed.crops import (
    SEGMENT,
    SEGMENT_SHARES,
    cut_crops,
    training_photos,
)


@pytest.fixture(scope="module")
def scene(photo_set, backbone):
    """A photo and the instances in it."""
    photo = training_photos(photo_set)[0]
    return photo, find_instances(photo.image(), photo.foreground(), backbone)


def test_crops_are_squares_of_the_networks_side(routed_crops):
    count = len(routed_crops.objects)
    assert routed_crops.images.shape == (count, 3, SIDE, SIDE)
    assert routed_crops.masks.shape == (count, 2, SIDE, SIDE)
    assert routed_crops.images.dtype == routed_crops.masks.dtype == torch.uint8
    assert len(routed_crops.ids) == len(routed_crops.natural) == count
    shares = routed_crops.masks[:, 0].float().mean((1, 2)) / 255
    assert shares.min() > SHARES[0] - 0.01 and shares.max() < SHARES[1] + 0.01


def test_objects_are_of_natural_photos_and_parts_of_all(routed_crops):
    named = [name != SEGMENT for name in routed_crops.objects]
    assert {"tree", "car", SEGMENT} == set(routed_crops.objects)
    assert all(routed_crops.natural[row] for row, is_named in enumerate(named) if is_named)
    for photo_id in {f"t{index}" for index in range(5)}:
        assert sum(is_named for is_named, own in zip(named, routed_crops.ids, strict=True) if own == photo_id) == 4
    assert not all(
        natural
        for natural, is_named in zip(routed_crops.natural.tolist(), named, strict=True)
        if not is_named  # a composite's true colors are not known, but its scene's are
    )


def test_the_object_looks_like_itself(routed_crops):
    masks, importance = routed_crops.masks.float().div(255).unbind(1)
    for mask, plane in zip(masks, importance, strict=True):
        inside = mask == 1
        assert plane[inside].mean() > 0.9
        assert plane[mask == 0].mean() < plane[inside].mean()


def test_the_same_dice_cut_the_same_squares(photo_set, backbone):
    photos = training_photos(photo_set)[:2]
    first, again, other = (cut_crops(photos, backbone, 2, random.Random(seed)) for seed in (1, 1, 2))
    assert torch.equal(first.images, again.images) and torch.equal(first.masks, again.masks)
    assert first.images.shape != other.images.shape or not torch.equal(first.images, other.images)


def test_the_squares_show_true_colors_and_the_importance_those_of_a_recolored_object(photo_set, backbone, monkeypatch):
    """Where the instances are found in, nothing is left of the photo's own object; the squares are the photo's."""
    photo, seen = training_photos(photo_set)[0], []

    def watched(image, mask, backbone):
        seen.append(image)
        return find_instances(image, mask, backbone)

    monkeypatch.setattr(module, "find_instances", watched)
    crops = cut_crops([photo], backbone, 2, random.Random(3))
    image, mask = photo.image(), photo.foreground()
    assert torch.equal(seen[0][mask == 0], image[mask == 0])
    assert (seen[0] - image)[mask > 0].abs().mean() > 0.02
    colors = crops.images[0].flatten(1).T[(crops.masks[0, 0] == 255).flatten()].float() / 255
    assert (colors.mean(0) - image[mask > 0].mean(0)).abs().max() < 0.03
    assert (colors.mean(0) - seen[0][mask > 0].mean(0)).abs().max() > 0.03


def test_a_part_takes_the_place_of_the_object(scene):
    photo, instances = scene
    part = module._as_object(instances, 0, instances.embeddings[0])
    assert torch.equal(part.object_mask, instances.masks[0])
    assert torch.equal(part.object_embedding, instances.embeddings[0])
    assert torch.equal(part.masks[0], instances.object_mask) and torch.equal(part.masks[1:], instances.masks[1:])
    backwards = similarities(part)[0], similarities(instances)[0]
    assert backwards[0].item() == pytest.approx(backwards[1].item(), abs=1e-6)
    own = importance_map(part)
    assert own[instances.masks[0] == 1].min() == 1
    again = module._as_object(part, 0, instances.object_embedding)
    assert all(torch.equal(value, getattr(again, name)) for name, value in vars(instances).items())


def test_parts_are_neither_tiny_nor_nearly_everything(photo_set, backbone, monkeypatch):
    photos, areas = training_photos(photo_set), []
    inner = module._as_object

    def watched(instances, row, embedding):
        areas.append(instances.masks[row].mean().item())
        return inner(instances, row, embedding)

    monkeypatch.setattr(module, "_as_object", watched)
    cut_crops(photos, backbone, 8, random.Random(0))
    assert areas and SEGMENT_SHARES[0] < min(areas) and max(areas) < SEGMENT_SHARES[1]


def test_recoloring_keeps_the_scene(scene):
    photo, _ = scene
    image, mask, dice = photo.image(), photo.foreground(), random.Random(0)
    distances = []
    for _ in range(20):
        out = module._recolored(image, mask, dice)
        assert torch.equal(out[mask == 0], image[mask == 0])
        distances.append((out - image)[mask > 0].abs().mean().item())
    assert min(distances) < 0.05 < max(distances)


def test_photos_without_a_fair_share_of_both_are_an_error(photo_set, backbone, monkeypatch):
    photos = training_photos(photo_set)[:2]
    speck = torch.zeros(72, 72)
    speck[30:33, 30:33] = 1
    monkeypatch.setattr(Photo, "mask", lambda self: speck)
    with pytest.raises(ValueError, match="The photos give no square with a fair share"):
        cut_crops(photos, backbone, 1, random.Random(0))


def test_what_is_held_back_is_not_trained_on(tmp_path):
    """Nothing that a benchmark measures on; of what the evaluator is measured on, natural photos alone."""
    ids = split_ids()
    rows = [f"{photo_id},natural,tree" for group in ids.values() for photo_id in group]
    rows += ["new_1,natural,tree", "new_2,composite,car"]
    (tmp_path / "index.csv").write_text("\n".join(["id,kind,object", *rows]) + "\n")
    natural = {photo.id for photo in training_photos(tmp_path)}
    benchmarks = {photo_id for group in ("tune", "report", "benchmark_duplicates") for photo_id in ids[group]}
    assert not natural & benchmarks
    assert natural == {"new_1", "new_2", *ids["held_back"], *ids["held_back_duplicates"]}
    (tmp_path / "index.csv").write_text("\n".join(["id,kind,object", *rows]).replace("natural", "composite") + "\n")
    assert {photo.id for photo in training_photos(tmp_path)} == {"new_1", "new_2"}


def test_natural_photos_come_first_and_each_once(photo_set):
    photos = training_photos(photo_set)
    assert [photo.id for photo in photos] == [f"t{index}" for index in range(8)]
    assert [photo.natural for photo in photos] == [True] * 5 + [False] * 3
