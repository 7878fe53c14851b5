"""A LUT for the whole and one for each region: fit, application, files."""

import pytest
import torch
from cubes import read_cube

from diff_harmonization.color import ColorLUT, apply_lut, fit_lut, fit_regions
from diff_harmonization.color.cube import save_cubes
from diff_harmonization.color.lut import grid_colors

SIDE = 32
DARKER, BRIGHTER = ColorLUT(grid_colors(9) * 0.5), ColorLUT(grid_colors(9) * 0.5 + 0.5)
TWO = ColorLUT(grid_colors(9), regions=(DARKER, BRIGHTER))


@pytest.fixture
def image():
    return torch.rand(1, SIDE, SIDE, 3, generator=torch.Generator().manual_seed(0)) * 0.6 + 0.2


@pytest.fixture
def mask():
    mask = torch.zeros(1, SIDE, SIDE)
    mask[:, 4:28, 4:28] = 1
    return mask


@pytest.fixture
def halves():
    """Left and right of the picture; the mask lies over both."""
    halves = torch.zeros(2, SIDE, SIDE)
    halves[0, :, : SIDE // 2] = 1
    halves[1] = 1 - halves[0]
    return halves


@pytest.fixture
def edited(image, mask, halves):
    """The same colors turn warm on the left and cold on the right."""
    warm, cold = torch.tensor([0.08, 0.0, -0.08]), torch.tensor([-0.08, 0.0, 0.08])
    shift = halves[0][None, ..., None] * warm + halves[1][None, ..., None] * cold
    return image + mask[..., None] * shift


def error(image, edited, mask):
    return (image - edited)[mask > 0].abs().mean().item()


def test_regions_explain_what_one_lut_cannot(image, edited, mask, halves):
    single = apply_lut(image, fit_lut(image, edited, mask), mask)
    lut = fit_regions(image, edited, halves, mask)
    local = apply_lut(image, lut, mask, regions=halves)
    assert error(single, edited, mask) > 0.05 and error(local, edited, mask) < 0.01
    assert torch.equal(local[mask == 0], image[mask == 0])


def test_the_whole_has_the_lut_it_has_without_regions(image, edited, mask, halves):
    lut = fit_regions(image, edited, halves, mask, size=17, smoothness=1e-3, identity_weight=1e-2)
    alone = fit_lut(image, edited, mask, 17, smoothness=1e-3, identity_weight=1e-2)
    torch.testing.assert_close(lut.table, alone.table)
    assert [region.size for region in lut.regions] == [17, 17]
    assert [region.title for region in lut.regions] == ["harmonization, region 1", "harmonization, region 2"]


def test_colors_that_a_region_lacks_change_as_elsewhere(mask, halves):
    """The left is dark only, the right bright only: each LUT knows both."""
    image = torch.full((1, SIDE, SIDE, 3), 0.2)
    image[:, :, SIDE // 2 :] = 0.7
    left = fit_regions(image, image + 0.1, halves, mask).regions[0]
    torch.testing.assert_close(
        left.sample(torch.tensor([[0.2] * 3, [0.7] * 3])), torch.tensor([[0.3] * 3, [0.8] * 3]), atol=0.01, rtol=0
    )
    alone = fit_lut(image, image + 0.1, mask * halves[0])
    assert (alone.sample(torch.tensor([[0.7] * 3])) - 0.8).abs().max() > 0.02


def test_without_a_mask_regions_are_everything(image, halves):
    lut = fit_regions(image, image * 0.8, halves)
    torch.testing.assert_close(apply_lut(image, lut, regions=halves), image * 0.8, atol=0.01, rtol=0)


def test_each_region_has_its_lut_and_the_rest_the_whole(image, mask, halves):
    left, right = halves.clone()
    left[:16], right[:16] = 0, 0
    out = apply_lut(image, TWO, mask, regions=torch.stack([left, right]))
    inside = mask[0] > 0
    for where, expected in ((left, image * 0.5), (right, image * 0.5 + 0.5), (1 - left - right, image)):
        chosen = inside & (where > 0)
        torch.testing.assert_close(out[0][chosen], expected[0][chosen])
    assert torch.equal(out[mask == 0], image[mask == 0])


def test_a_soft_region_blends_and_amount_scales_all(image, halves):
    out = apply_lut(image, ColorLUT(grid_colors(9), regions=(DARKER,)), regions=halves[:1] * 0.5)
    torch.testing.assert_close(out[:, :, :16], image[:, :, :16] * 0.75)
    half = apply_lut(image, TWO, amount=0.5, regions=halves)
    torch.testing.assert_close(half[:, :, :16], image[:, :, :16] * 0.75)


def test_of_overlapping_regions_the_later_one_holds(image, halves):
    out = apply_lut(image, TWO, regions=torch.stack([torch.ones(SIDE, SIDE), halves[1]]))
    torch.testing.assert_close(out[:, :, :16], image[:, :, :16] * 0.5)
    torch.testing.assert_close(out[:, :, 16:], image[:, :, 16:] * 0.5 + 0.5)


def test_regions_fade_into_each_other_and_not_at_the_masks_edge():
    """The mask's left edge is the region's as well: only the region's right edge fades."""
    image, mask = torch.full((1, 40, 60, 3), 0.8), torch.ones(1, 40, 60)
    region = torch.zeros(1, 40, 60)
    mask[:, :, :10], region[:, :, :35] = 0, 1
    lut = ColorLUT(grid_colors(9) * 0.5, regions=(ColorLUT(grid_colors(9) * 0.25),))
    row = apply_lut(image, lut, mask, regions=region, region_feather=8)[0, 20, :, 0]
    torch.testing.assert_close(row[:10], torch.full((10,), 0.8))
    torch.testing.assert_close(row[10:27], torch.full((17,), 0.2))
    fade = row[26:36]
    assert (fade.diff() >= -1e-5).all() and ((fade > 0.21) & (fade < 0.39)).sum() >= 4
    torch.testing.assert_close(row[35:], torch.full((25,), 0.4))


def test_the_masks_feather_is_its_own(image, mask, halves):
    lut = ColorLUT(grid_colors(9) * 0.5, regions=(DARKER, DARKER))
    feathered = apply_lut(image, lut, mask, feather=6, regions=halves, region_feather=3)
    torch.testing.assert_close(feathered, apply_lut(image, DARKER, mask, feather=6))


def test_tiles_do_not_show(image, mask, halves, monkeypatch):
    from diff_harmonization.color import apply as module

    whole = apply_lut(image, TWO, mask, feather=3, regions=halves, region_feather=5)
    monkeypatch.setattr(module, "TILE_PIXELS", 64)
    assert torch.equal(apply_lut(image, TWO, mask, feather=3, regions=halves, region_feather=5), whole)


def test_one_file_each_which_give_the_same_picture(image, edited, mask, halves, tmp_path):
    lut = fit_regions(image, edited, halves, mask)
    paths = save_cubes(lut, tmp_path / "look_00001_.cube")
    assert [path.name for path in paths] == [
        "look_00001_.cube", "look_00001_region1.cube", "look_00001_region2.cube"
    ]  # fmt: skip
    whole, *regions = (read_cube(path) for path in paths)
    read = ColorLUT(whole.table, regions=tuple(regions))
    torch.testing.assert_close(
        apply_lut(image, read, mask, regions=halves), apply_lut(image, lut, mask, regions=halves), atol=1e-5, rtol=0
    )


def test_what_does_not_fit_is_refused(image, edited, mask, halves):
    with pytest.raises(ValueError, match="region 2 of 2 holds no pixel of the mask"):
        fit_regions(image, edited, torch.stack([halves[0], 1 - mask[0]]), mask)
    with pytest.raises(ValueError, match=r"`regions`: got shape \(2, 16, 32\)"):
        fit_regions(image, edited, halves[:, :16], mask)
    with pytest.raises(ValueError, match="LUTs for 2 regions, and there are 0 masks"):
        apply_lut(image, TWO, mask)
    with pytest.raises(ValueError, match="LUTs for 0 regions, and there are 2 masks"):
        apply_lut(image, DARKER, mask, regions=halves)
    with pytest.raises(ValueError, match=r"`regions`: got shape \(2, 16, 32\)"):
        apply_lut(image, TWO, mask, regions=halves[:, :16])
    with pytest.raises(ValueError, match="`region_feather`: got -1"):
        apply_lut(image, TWO, mask, regions=halves, region_feather=-1)
