"""Foreground masks as the losses see them."""

from __future__ import annotations

import logging

import torch
from torch import Tensor
from torch.nn.functional import interpolate

logger = logging.getLogger(__name__)

THRESHOLD = 100 / 255
NEARLY_ALL = 0.95


def binarize_mask(mask: Tensor, node: str = "RefineEmbedding") -> Tensor:
    """Foreground mask [B,1,H,W] in [0,1] -> the same shape, 1 where it selects, else 0.

    Raises:
        ValueError: when the shape is another, or a mask has no foreground.
    """
    if mask.ndim != 4 or mask.shape[1] != 1:
        raise ValueError(f"{node}: `mask` must be [B,1,H,W], got {tuple(mask.shape)}.")
    binary = foreground(mask).to(torch.promote_types(mask.dtype, torch.float32))
    coverage = binary.mean((1, 2, 3))
    if bool((coverage == 0).any()):
        raise ValueError(
            f"{node}: `mask` is empty (no value reaches {THRESHOLD:.3f}; the largest is {float(mask.max()):.3f}). "
            f"It must be 1 on the foreground; load a black-and-white picture with LoadImageMask rather than LoadImage."
        )
    if bool((coverage > NEARLY_ALL).any()):
        logger.warning("%s: `mask` covers %.0f%% of the picture; is it inverted?", node, 100 * float(coverage.max()))
    return binary


def foreground(mask: Tensor) -> Tensor:
    """Where a mask of any shape in [0,1] selects: bool of its shape."""
    return mask >= THRESHOLD


def keep_visible(mask: Tensor) -> Tensor:
    """Masks [...,H,W] that shrinking thinned until they select nothing, with their peak brought back to 1.

    A pole or a scatter of birds covers only a part of every pixel of a small view; it is there all the same.
    """
    peak = mask.amax((-2, -1), keepdim=True)
    return torch.where((peak > 0) & ~foreground(peak), mask / peak.clamp_min(torch.finfo(mask.dtype).tiny), mask)


def bounding_box(mask: Tensor) -> tuple[int, int, int, int] | None:
    """(top, bottom, left, right) of a mask [H,W]'s nonzero pixels, ends exclusive; None when there are none."""
    inside = mask > 0
    rows = inside.any(1).nonzero()
    if not len(rows):
        return None
    columns = inside.any(0).nonzero()
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def mask_on_grid(mask: Tensor, grid: tuple[int, int]) -> Tensor:
    """The share of each grid cell that a mask covers: [B,1,H,W] -> [B,1,h,w] in [0,1] (area interpolation)."""
    return interpolate(mask, size=grid, mode="area")


def require_same_frame(mask: Tensor, latent_shape: tuple[int, ...], node: str = "RefineEmbedding") -> None:
    """Refuse a mask [B,1,H,W] that cannot be of the picture behind a latent (B, C, h, w).

    Raises:
        ValueError: when batch or aspect differ; a VAE may have cut up to one latent pixel a side.
    """
    batch, _, height, width = latent_shape
    if mask.shape[0] not in (1, batch):
        raise ValueError(f"{node}: `mask` has {mask.shape[0]} rows, `trajectory` {batch}; give one, or one for each.")
    aspect = (mask.shape[-2] / height) / (mask.shape[-1] / width)
    slack = 1 + 1 / min(height, width)
    if not 1 / slack <= aspect <= slack:
        raise ValueError(
            f"{node}: `mask` is {mask.shape[-1]}x{mask.shape[-2]} (width x height), which does not have the aspect of "
            f"`trajectory`'s latent, {width}x{height}; give the mask of the picture that was inverted."
        )
