import logging

import pytest
import torch

from diff_harmonization.core.masks import (
    THRESHOLD,
    binarize_mask,
    foreground,
    keep_visible,
    mask_on_grid,
    require_same_frame,
    scene_importance,
)


def test_binarizes_at_100_of_255():
    mask = (torch.tensor([0, 99, 100, 255], dtype=torch.uint8).float() / 255).reshape(1, 2, 2)
    assert binarize_mask(mask).flatten().tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("share", [1 / 6, 0.3, 0.4])
def test_a_mask_that_was_thinned_by_shrinking_is_brought_back(share):
    thinned = torch.zeros(2, 4, 5)
    thinned[0, 1, 2:4] = torch.tensor([share, share / 2])
    kept = keep_visible(thinned)
    if share < THRESHOLD:
        assert kept[0, 1].tolist() == pytest.approx([0, 0, 1, 0.5, 0])
        assert foreground(kept[0]).sum() == 2
    else:
        assert torch.equal(kept, thinned)
    assert kept[1].max() == 0


def test_area_interpolation_keeps_the_share():
    mask = torch.zeros(1, 8, 8)
    mask[..., :3, :4] = 1
    grid = mask_on_grid(mask, (4, 2))
    assert grid.flatten().tolist() == [1, 0, 0.5, 0, 0, 0, 0, 0]


def test_empty_mask_is_an_error():
    masks = torch.ones(2, 4, 4)
    masks[1] = 0.3
    with pytest.raises(ValueError, match=r"^`mask`: the mask is empty .*the largest is 0\.\d+\).*LoadImageMask"):
        binarize_mask(masks)


def test_a_mask_of_nearly_everything_earns_a_hint(caplog):
    with caplog.at_level(logging.WARNING):
        binarize_mask(torch.ones(1, 4, 4))
    assert "inverted" in caplog.text


def test_shape_must_be_bhw():
    with pytest.raises(ValueError, match=r"`mask`: got shape \(4, 4\), expected \[B,H,W\]"):
        binarize_mask(torch.ones(4, 4))


@pytest.mark.parametrize(("size", "latent"), [((512, 512), (64, 64)), ((519, 700), (64, 87)), ((64, 96), (64, 96))])
def test_masks_of_the_inverted_picture_pass(size, latent):
    require_same_frame(torch.ones(1, *size), (2, 4, *latent))


def test_masks_of_another_picture_are_refused():
    with pytest.raises(ValueError, match="640x512.*aspect"):
        require_same_frame(torch.ones(1, 512, 640), (2, 4, 64, 64))
    with pytest.raises(ValueError, match="`mask`: got 3 masks for 2 pictures"):
        require_same_frame(torch.ones(3, 512, 512), (2, 4, 64, 64))


@pytest.fixture
def two_masks():
    masks = torch.zeros(2, 2, 4)
    masks[0, 0, 0] = masks[1, :, 2:] = 1
    return masks


def test_importance_has_a_mean_of_1_over_the_scene_and_is_0_on_the_object(two_masks):
    given = torch.tensor([[[9.0, 0.1, 0.2, 0.2], [0.0, 0.1, 0.4, 0.4]]])
    weights = scene_importance(given, two_masks)
    torch.testing.assert_close(weights[0], torch.tensor([[0.0, 0.5, 1.0, 1.0], [0.0, 0.5, 2.0, 2.0]]))
    torch.testing.assert_close(weights[1].sum(), torch.tensor(4.0))
    assert torch.equal(scene_importance(given[0], two_masks[0]), weights[0])


def test_one_mask_serves_every_map(two_masks):
    maps = torch.rand(3, 2, 4, generator=torch.Generator().manual_seed(0))
    weights = scene_importance(maps, two_masks[:1])
    assert torch.equal(weights, scene_importance(maps, two_masks[:1].expand(3, -1, -1)))
    assert not torch.equal(weights[0], weights[1])


def test_importance_that_is_1_everywhere_is_1_to_the_bit(two_masks):
    assert torch.equal(scene_importance(torch.ones(1, 2, 4), two_masks), 1 - two_masks)
    torch.testing.assert_close(scene_importance(torch.full((1, 2, 4), 0.3), two_masks), 1 - two_masks)


@pytest.mark.parametrize(
    ("importance", "message"),
    [
        (torch.ones(1, 4, 2), r"got 2x4 \(width x height\), expected 4x2 like the mask"),
        (torch.ones(3, 2, 4), "got 3 maps for 2 masks, expected one map, or one for each mask"),
        (torch.zeros(1, 2, 4), "it is 0 everywhere outside the mask.*expected values above 0"),
        (torch.eye(4)[2:3].expand(2, 4)[None], "it is 0 everywhere outside the mask"),  # of the second mask alone
        (torch.full((1, 2, 4), torch.nan), "it is 0 everywhere outside the mask"),
    ],
)
def test_importance_that_does_not_serve_is_refused(two_masks, importance, message):
    with pytest.raises(ValueError, match=f"^`importance`: {message}"):
        scene_importance(importance, two_masks)


def test_a_mask_without_a_scene_is_refused():
    with pytest.raises(ValueError, match="^`mask`: the mask covers the whole picture"):
        scene_importance(torch.ones(2, 4), torch.full((2, 4), THRESHOLD))
