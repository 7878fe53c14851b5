"""Apply a 3D LUT inside a mask, at any resolution."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.errors import InputError
from ..core.masks import bounding_box
from .lut import ColorLUT, Interpolation, require_interpolation

TILE_PIXELS = 1 << 18  # a tile's temporaries stay within a few megabytes


def apply_lut(
    image: Tensor,
    lut: ColorLUT,
    mask: Tensor | None = None,
    amount: float = 1.0,
    feather: int = 0,
    interpolation: Interpolation = "trilinear",
    regions: Tensor | None = None,
    region_feather: int = 0,
) -> Tensor:
    """Apply a LUT inside a mask, blended by mask times amount.

    Inside a region, the region's own LUT replaces the LUT of the whole. Where regions overlap, the later one wins.

    Args:
        image: [B,H,W,3], sRGB in 0-1.
        lut: the LUT.
        mask: [B,H,W] or [1,H,W] in 0-1; None means everywhere.
        amount: 0 (nothing) to 1 (all of the LUT).
        feather: width in pixels of a ramp that grows inwards from the mask's edge. The picture's border is no edge.
        interpolation: between grid points of the LUT.
        regions: [R,H,W] in 0-1, one for each of the LUT's regions, the same for all images.
        region_feather: width in pixels of a ramp that grows inwards from a region's edge, where another part of the
            mask lies beyond that edge.

    Returns:
        A new image [B,H,W,3]. Pixels with mask 0 are bit-identical to the input, and so is everything at amount 0.

    Raises:
        InputError: for shapes that do not match, or an amount, feather or interpolation out of range.
    """
    mask = _checked_mask(image, mask, amount, feather)
    regions = _checked_regions(image, lut, regions, region_feather)
    require_interpolation(interpolation)
    out = image.clone(memory_format=torch.contiguous_format)
    if amount == 0:
        return out
    for index in range(len(image)):
        row_mask = mask[index if len(mask) > 1 else 0]
        box = bounding_box(row_mask)
        if box is None:
            continue
        top, bottom, left, right = box
        alpha = _feathered(row_mask, box, feather) * amount
        # Outside the mask a region counts as 1, so that the mask's edge is not an edge of the region.
        shares = [_feathered(torch.where(row_mask > 0, region, 1.0), box, region_feather) for region in regions]
        rows = max(1, TILE_PIXELS // (right - left))
        for start in range(top, bottom, rows):
            stop = min(start + rows, bottom)
            part = slice(start - top, stop - top)
            tile = out[index, start:stop, left:right]
            _apply_tile(tile, alpha[part], lut, [share[part] for share in shares], interpolation)
    return out


def _apply_tile(tile: Tensor, alpha: Tensor, lut: ColorLUT, shares: list[Tensor], interpolation: Interpolation) -> None:
    """Change a view [h,w,3] of the image in place where alpha [h,w] is above 0; shares: a [h,w] for each region."""
    inside = alpha > 0
    colors = tile[inside]
    if not len(colors):
        return
    changed = lut.sample(colors, interpolation)
    for region, share in zip(lut.regions, shares, strict=True):
        weight = share[inside]
        here = weight > 0
        own = region.sample(colors[here], interpolation)
        changed[here] = torch.lerp(changed[here], own, weight[here].to(colors.dtype)[:, None])
    tile[inside] = torch.lerp(colors, changed, alpha[inside].to(colors.dtype)[:, None])


def _feathered(mask: Tensor, box: tuple[int, int, int, int], feather: int) -> Tensor:
    """The mask inside its box, times a ramp from 0 at the mask's edge to 1 at `feather` pixels from it.

    Erosion by half the ramp's width, then two box blurs of a quarter each: the result never leaves the mask.
    """
    top, bottom, left, right = box
    inner = mask[top:bottom, left:right].float().clamp(0, 1)
    if feather == 0:
        return inner
    height, width = mask.shape
    erosion, blur = feather - feather // 2, feather // 2
    reach = feather
    above, below = min(top, reach), min(height - bottom, reach)
    before, after = min(left, reach), min(width - right, reach)
    support = mask[top - above : bottom + below, left - before : right + after] > 0
    ramp = _erode(support, erosion)
    for radius in (blur // 2, blur - blur // 2):
        ramp = _box_mean(ramp, radius)
    ramp = ramp[above : above + bottom - top, before : before + right - left]
    return inner * ramp.clamp_(0, 1) * (inner > 0)


def _erode(support: Tensor, radius: int) -> Tensor:
    """1 where a square window lies wholly inside a boolean plane [H,W], else 0."""
    window = 2 * radius + 1
    plane = support.float()
    for _ in range(2):
        plane = (_window_sums(plane, radius) > window - 0.5).float().T.contiguous()
    return plane


def _box_mean(plane: Tensor, radius: int) -> Tensor:
    """Mean of a plane [H,W] over a square window."""
    if radius == 0:
        return plane
    window = 2 * radius + 1
    for _ in range(2):
        plane = (_window_sums(plane, radius) / window).T.contiguous()
    return plane


def _window_sums(plane: Tensor, radius: int) -> Tensor:
    """Sums over a window along the rows, edges replicated; the cost does not depend on the radius."""
    window = 2 * radius + 1
    padded = F.pad(plane[None, None], (radius + 1, radius, 0, 0), mode="replicate")[0, 0]
    sums = padded.cumsum(1)
    return sums[:, window:] - sums[:, :-window]


def _checked_mask(image: Tensor, mask: Tensor | None, amount: float, feather: int) -> Tensor:
    if image.ndim != 4 or image.shape[-1] != 3:
        raise InputError("image", f"got shape {tuple(image.shape)}, expected RGB images [B,H,W,3].")
    if not 0 <= amount <= 1:
        raise InputError("amount", f"got {amount}, expected 0 to 1.")
    if feather < 0:
        raise InputError("feather", f"got {feather}, expected 0 pixels or more.")
    if mask is None:
        return torch.ones(1, *image.shape[1:3], device=image.device)
    if mask.ndim != 3 or mask.shape[1:] != image.shape[1:3] or len(mask) not in (1, len(image)):
        raise InputError("mask", f"got shape {tuple(mask.shape)}, expected {tuple(image.shape[:3])} like the image.")
    return mask.to(image.device)


def _checked_regions(image: Tensor, lut: ColorLUT, regions: Tensor | None, feather: int) -> Tensor:
    size = tuple(image.shape[1:3])
    if feather < 0:
        raise InputError("region_feather", f"got {feather}, expected 0 pixels or more.")
    if regions is None:
        regions = torch.zeros(0, *size)
    if len(regions) != len(lut.regions):
        raise InputError(
            "regions",
            f"the LUT has LUTs for {len(lut.regions)} regions, and there are {len(regions)} masks. Give the "
            f"regions that the LUT was fitted with, in the same order.",
        )
    if regions.ndim != 3 or tuple(regions.shape[1:]) != size:
        raise InputError(
            "regions", f"got shape {tuple(regions.shape)}, expected masks [R,H,W] of {size} like the image."
        )
    return regions.to(image.device)
