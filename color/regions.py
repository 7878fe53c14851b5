"""One LUT for the whole of an edit, and one for each of its regions."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from ..core.errors import InputError
from .fit import fit_lut
from .lut import ColorLUT

REST = 0.05  # weight of the rest of the foreground in a region's fit; it decides colors that the region lacks


def fit_regions(
    before: Tensor,
    after: Tensor,
    regions: Tensor,
    mask: Tensor | None = None,
    size: int = 33,
    smoothness: float = 1e-4,
    identity_weight: float = 1e-3,
) -> ColorLUT:
    """The LUT of the whole, as `fit_lut` fits it, and one more LUT for each region.

    Two parts of an object may have the same color and change in different ways. No single LUT explains that. A
    region's LUT is fitted on the region's pixels. A color that does not occur there changes as it does elsewhere.

    Args:
        before: [B,H,W,3], sRGB in 0-1.
        after: the same pictures after the edit.
        regions: [R,H,W] in 0-1, the same for all pictures. What lies outside the mask does not count.
        mask: [B,H,W] or [1,H,W], 1 on the foreground; None means everywhere.
        size: see `fit_lut`.
        smoothness: see `fit_lut`.
        identity_weight: see `fit_lut`.

    Returns:
        The LUT of the whole, with one for each region in `regions`.

    Raises:
        InputError: as `fit_lut`, and for a region without a pixel of the foreground.
    """
    if regions.ndim != 3 or regions.shape[1:] != before.shape[1:3]:
        raise InputError(
            "regions",
            f"got shape {tuple(regions.shape)}, expected masks [R,H,W] like the images {tuple(before.shape)}.",
        )
    foreground = before.new_ones(1, *before.shape[1:3]) if mask is None else mask
    lut = fit_lut(before, after, foreground, size, smoothness=smoothness, identity_weight=identity_weight)
    luts = []
    for number, region in enumerate(regions, 1):
        inside = foreground * region
        if not inside.sum() > 0:
            raise InputError(
                "regions", f"region {number} of {len(regions)} holds no pixel of the mask; it must lie on the object."
            )
        outside = foreground * (1 - region)
        weights = inside / inside.sum() + REST * outside / outside.sum().clamp_min(1)
        title = f"{lut.title}, region {number}"
        luts.append(
            fit_lut(before, after, weights, size, smoothness=smoothness, identity_weight=identity_weight, title=title)
        )
    return replace(lut, regions=tuple(luts))
