"""Instances on drawn pictures, by the backbone that ships, and on a real composite."""

import numpy as np
import pytest
import torch
from skimage.graph import RAG

from diff_harmonization.core.masks import mask_on_grid
from diff_harmonization.methods.routed import instances as routed
from diff_harmonization.methods.routed.instances import (
    find_instances,
    given_instances,
    join,
    load_backbone,
    neighbors,
    segment,
    small_picture,
    small_size,
)


def test_the_backbone_is_ready_to_use(backbone):
    assert not backbone.training
    assert {value.dtype for value in backbone.parameters()} == {torch.float32}
    assert not any(value.requires_grad for value in backbone.parameters())
    image = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    assert backbone(image).shape == (1, 112, 4, 6)


def test_embeddings_are_about_the_mean_over_photographs(backbone):
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    raw = load_backbone()
    raw.mean.zero_()
    torch.testing.assert_close(backbone(image), raw(image) - backbone.mean[:, None, None])
    assert backbone.mean.abs().max() > 0.1


@pytest.mark.parametrize(
    ("size", "expected"),
    [((320, 320), (320, 320)), ((2160, 3840), (176, 320)), ((100, 50), (320, 160)), ((10, 3000), (16, 320))],
)
def test_instances_are_found_in_a_small_picture(size, expected):
    assert small_size(*size) == expected
    mask = torch.zeros(size)
    mask[: size[0] // 2, : size[1] // 2] = 1
    image, plane = small_picture(torch.rand(*size, 3), mask)
    assert image.shape == (1, 3, *expected) and plane.shape == expected
    assert image.min() >= 0 and image.max() <= 1
    assert plane.mean() == pytest.approx(0.25, abs=0.01)


def test_a_pole_stays():
    """Its mask has a third of a pixel's width in the small picture."""
    image, mask = torch.rand(960, 960, 3), torch.zeros(960, 960)
    mask[:, 480] = 1
    _, plane = small_picture(image, mask)
    assert plane.max() == 1 and (plane[:, 160] == 1).all()


def test_parts_follow_edges_and_the_object_is_none_of_them():
    image, mask = torch.zeros(1, 3, 64, 96), torch.zeros(64, 96)
    image[..., 48:] = 1
    mask[20:40, 40:60] = 1
    labels = segment(image, mask)
    assert (labels[mask.numpy() > 0] == 0).all() and (labels[mask.numpy() == 0] > 0).all()
    assert not set(np.unique(labels[:, :40])) & set(np.unique(labels[:, 60:])) - {0}


def test_neighbors_are_those_of_the_library():
    labels = np.random.default_rng(0).integers(0, 40, (20, 30))
    expected = {tuple(sorted(edge)) for edge in RAG(labels).edges if 0 not in edge}
    assert neighbors(labels) == sorted(expected)


def test_shares_are_those_of_masks():
    labels = np.random.default_rng(0).choice([0, 2, 3, 7], (32, 48))
    planes = torch.from_numpy(np.stack([labels == label for label in (2, 3, 7)])).float()
    assert torch.equal(routed._shares(labels, (2, 3)), mask_on_grid(planes, (2, 3)))


ROW = np.repeat([[1, 2, 3]], 4, 0).repeat([90, 10, 30], 1)  # three parts side by side


@pytest.mark.parametrize(
    ("embeddings", "expected"),
    [
        ([[1, 0], [1, 0.1], [0, 1]], [1, 1, 2]),  # the first two are alike
        ([[1, 0], [0, 1], [1, 0]], [1, 2, 3]),  # the outer two are alike, but no neighbors
        ([[1, 0], [5, 0], [0.2, 0]], [1, 1, 1]),  # directions count, not lengths
        # Once joined, the large part decides: the third is like the second, yet not like both.
        ([[1, 0], [0.9, 0.436], [0.35, 0.937]], [1, 1, 2]),
    ],
)
def test_alike_neighbors_are_joined(embeddings, expected):
    joined = join(ROW, torch.tensor(embeddings, dtype=torch.float32))
    parts = [set(joined[label == ROW]) for label in (1, 2, 3)]
    assert all(len(part) == 1 for part in parts)
    assert [[a == b for b in parts] for a in parts] == [[a == b for b in expected] for a in expected]
    assert set(np.unique(joined)) == set(range(1, len(set(expected)) + 1))


def test_the_object_stays_apart_and_keeps_others_apart():
    labels = np.where(ROW == 2, 0, ROW)
    joined = join(labels, torch.tensor([[1.0, 0.0], [1.0, 0.0]]))
    assert ((joined == 0) == (labels == 0)).all()
    assert len(np.unique(joined)) == 3


def check(found, size):
    """What holds of the instances of any picture."""
    assert found.masks.shape[1:] == found.object_mask.shape == size
    assert len(found.masks) == len(found.embeddings) > 0
    assert found.embeddings.shape[1:] == found.object_embedding.shape == (112,)
    assert found.embeddings.isfinite().all() and found.object_embedding.isfinite().all()
    assert (found.masks.flatten(1).amax(1) > 0).all()


def test_the_instances_of_a_scene(scene, backbone):
    image, mask = scene
    found = find_instances(image, mask, backbone)
    check(found, (240, 320))
    covered = found.masks.sum(0)
    assert covered.max() == 1  # none overlap
    assert (covered[found.object_mask > 0.5] == 0).all()
    assert covered[found.object_mask == 0].mean() > 0.98
    assert len(found.masks) < 12  # the parts are joined: far more than that are found first


def test_the_same_picture_gives_the_same_bits(scene, backbone):
    first, second = find_instances(*scene, backbone), find_instances(*scene, load_backbone())
    for name in ("masks", "embeddings", "object_mask", "object_embedding"):
        assert torch.equal(getattr(first, name), getattr(second, name)), name


def test_a_real_composite(backbone, example):
    image, mask = example
    found = find_instances(image, mask, backbone)
    check(found, small_size(*mask.shape))
    assert 1 < len(found.masks) < 40
    assert (found.masks.sum(0)[found.object_mask > 0.5] == 0).all()


def test_given_masks_lose_the_object_and_may_overlap(scene, backbone):
    image, mask = scene
    masks = torch.zeros(3, 60, 80)  # of another size than the picture
    masks[0, :, :50], masks[1, :, 30:] = 1, 1
    masks[2] = mask_on_grid(mask[None], (60, 80))[0]  # the object itself
    found = given_instances(image, mask, masks, backbone)
    check(found, (240, 320))
    assert len(found.masks) == 2
    assert found.masks.sum(0).max() == 2
    assert (found.masks[:, found.object_mask == 1] == 0).all()
    assert (found.masks[0, :, :192][found.object_mask[:, :192] == 0] == 1).all()


def test_an_embedding_is_the_mean_under_its_mask(scene, backbone):
    image, mask = scene
    masks = torch.zeros(1, 240, 320)
    masks[0, 16:48, 208:304] = 1  # whole cells, away from the object
    found = given_instances(image, mask, masks, backbone)
    features = backbone(small_picture(image, mask)[0])[0]
    torch.testing.assert_close(found.embeddings[0], features[:, 1:3, 13:19].mean((1, 2)), rtol=1e-4, atol=1e-5)


def with_masks(image, mask, backbone):
    return given_instances(image, mask, torch.ones(1, 8, 8), backbone)


@pytest.mark.parametrize("find", [find_instances, with_masks])
def test_masks_that_leave_nothing_are_refused(scene, backbone, find):
    image, mask = scene
    with pytest.raises(ValueError, match="^`mask`: the mask is empty"):
        find(image, torch.zeros_like(mask), backbone)
    with pytest.raises(ValueError, match="^`mask`: the mask covers the whole picture"):
        find(image, torch.ones_like(mask), backbone)


@pytest.mark.parametrize("masks", ["object", "empty", "none"])
def test_given_masks_of_nothing_are_refused(scene, backbone, masks):
    image, mask = scene
    given = {"object": mask[None], "empty": torch.zeros(2, *mask.shape), "none": torch.zeros(0, *mask.shape)}[masks]
    with pytest.raises(ValueError, match=f"^`masks`: none of {len(given)} masks is large enough and lies beside"):
        given_instances(image, mask, given, backbone)


def test_a_mask_that_leaves_a_speck_is_refused(scene, backbone):
    image, mask = scene
    mask = torch.ones_like(mask)
    mask[:2, :2] = 0
    with pytest.raises(ValueError, match="^`mask`: it leaves too little of the picture"):
        find_instances(image, mask, backbone)
