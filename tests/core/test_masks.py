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
