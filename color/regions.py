"""A LUT for the whole of an edit, and one for each of its regions."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from .fit import fit_lut
from .lut import ColorLUT

REST = 0.05  # of a region's fit that the rest of the foreground has: it settles colors that the region lacks


def fit_regions(
    before: Tensor,
    after: Tensor,
    regions: Tensor,
    mask: Tensor | None = None,
    size: int = 33,
    smoothness: float = 1e-4,
    identity_weight: float = 1e-3,
) -> ColorLUT:
    """The LUT of the whole, as `fit_lut` fits it, with one of its own for each region.

    Two parts of an object may share a color and change in different ways, which no single LUT explains. A region's
    LUT is fitted on the region's pixels; a color that does not occur there changes as it does elsewhere.

    before, after: images [B,H,W,3], sRGB in 0-1. mask: [B,H,W] or [1,H,W], the foreground; None means everywhere.
    regions: [R,H,W] in 0-1, the same for all images; what lies outside the mask does not count.
    Raises ValueError as `fit_lut` does, and for a region without a pixel of the foreground.
    """
    if regions.ndim != 3 or regions.shape[1:] != before.shape[1:3]:
        raise ValueError(
            f"regions is {tuple(regions.shape)} and the images are {tuple(before.shape)}; give Fit Color LUT masks "
            f"[R,H,W] of the images' size."
        )
    foreground = before.new_ones(1, *before.shape[1:3]) if mask is None else mask
    lut = fit_lut(before, after, foreground, size, smoothness=smoothness, identity_weight=identity_weight)
    luts = []
    for number, region in enumerate(regions, 1):
        inside = foreground * region
        if not inside.sum() > 0:
            raise ValueError(
                f"Region {number} of {len(regions)} holds no pixel of the mask; give Fit Color LUT regions that lie on "
                f"the object."
            )
        outside = foreground * (1 - region)
        weights = inside / inside.sum() + REST * outside / outside.sum().clamp_min(1)
        title = f"{lut.title}, region {number}"
        luts.append(
            fit_lut(before, after, weights, size, smoothness=smoothness, identity_weight=identity_weight, title=title)
        )
    return replace(lut, regions=tuple(luts))
