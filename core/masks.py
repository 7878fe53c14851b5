"""Foreground masks: their threshold, checks, box and grid."""

from __future__ import annotations

import logging

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from .errors import InputError

logger = logging.getLogger(__name__)

THRESHOLD = 100 / 255
NEARLY_ALL = 0.95  # of the picture; so much of it is hardly ever one object
MOST, RIM = 0.5, 0.6  # of the picture and of its rim; a scene around an object mostly covers both
PAINT_OR_FILE = (
    "Paint it: right-click the box that loads the picture, choose Open in Mask Editor, paint over the object and save. "
    "Or load a black-and-white file with LoadImageMask, because LoadImage reads only the alpha channel."
)


def empty_mask(parameter: str = "mask", which: str = "the mask", peak: float = 0.0) -> InputError:
    """The error for a mask that selects nothing, in the one wording that the pack has.

    Args:
        parameter: the name that the refusing function has for the mask.
        which: the words for the mask, such as "mask 2 of 3".
        peak: its largest value: a faint mask is another mistake than a black one.
    """
    return InputError(
        parameter,
        f"{which} is empty (no value reaches 100/255; the largest is {peak:.3f}). It must be 1 on the pasted object. "
        f"{PAINT_OR_FILE}",
    )


def binarize_mask(mask: Tensor) -> Tensor:
    """1 where a mask selects (its value is at least 100/255), else 0.

    Args:
        mask: [B,H,W] in 0-1.

    Returns:
        [B,H,W], at least float32.

    Raises:
        InputError: when the shape is another, or a mask selects nothing.
    """
    if mask.ndim != 3:
        raise InputError("mask", f"got shape {tuple(mask.shape)}, expected [B,H,W].")
    binary = foreground(mask).to(torch.promote_types(mask.dtype, torch.float32))
    require_selection(mask)
    warn_if_inverted(mask)
    return binary


def foreground(mask: Tensor) -> Tensor:
    """Where a mask of any shape in 0-1 selects: bool of its shape."""
    return mask >= THRESHOLD


def require_selection(mask: Tensor, parameter: str = "mask") -> None:
    """Refuse masks [B,H,W] of which one selects nothing.

    Args:
        mask: [B,H,W] in 0-1.
        parameter: the name that the calling function has for the mask.

    Raises:
        InputError: when a mask selects nothing.
    """
    if not bool(foreground(mask).flatten(1).any(1).all()):
        raise empty_mask(parameter, peak=float(mask.amax((1, 2)).min()))


def warn_if_inverted(mask: Tensor) -> None:
    """Say that a mask [B,H,W] may be inverted: it covers nearly everything, or most of the picture with its rim."""
    inside = foreground(mask).float()
    coverage = inside.mean((1, 2))
    rim = torch.cat([inside[:, 0], inside[:, -1], inside[:, :, 0], inside[:, :, -1]], 1).mean(1)
    if bool(((coverage > NEARLY_ALL) | (coverage > MOST) & (rim > RIM)).any()):
        logger.warning(
            "The mask covers %.0f%% of the picture. Is it inverted? It must be white on the object alone. LoadImage "
            "gives 1 - alpha: if so, use InvertMask. If the file has a white object on a transparent ground, use "
            "channel alpha of LoadImageMask, then InvertMask.",
            100 * float(coverage.max()),
        )


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


def mask_on_grid(mask: Tensor, grid: tuple[int, ...]) -> Tensor:
    """The share of each grid cell that a mask covers: [B,H,W] -> [B,h,w] in 0-1 (area interpolation)."""
    return interpolate(mask[:, None], size=grid, mode="area")[:, 0]


def scene_importance(importance: Tensor, mask: Tensor) -> Tensor:
    """How much each pixel of the scene around an object counts, with a mean of 1 over the scene.

    Only the relations between its parts count: the same value everywhere gives 1 everywhere.

    Args:
        importance: [B,H,W], [1,H,W] for all masks, or [H,W] for a mask of that shape; 0 or more.
        mask: [B,H,W], [1,H,W] for all maps, or [H,W], in 0-1, 1 on the object.

    Returns:
        [B,H,W] or [H,W], 0 or more, 0 on the object.

    Raises:
        InputError: when the importance has another size or number, or is 0 on the whole scene; when there is no scene.
    """
    _require_fitting(importance, mask)
    outside = require_scene(mask)
    weights = importance.to(outside.device) * outside
    total = weights.sum((-2, -1), keepdim=True)
    if not bool((total > 0).all()):
        raise InputError(
            "importance",
            "it is 0 everywhere outside the mask, so it leaves nothing of the background; expected values above 0 on "
            "those parts of the scene that shall count.",
        )
    return weights * (outside.sum((-2, -1), keepdim=True) / total)


def _require_fitting(importance: Tensor, mask: Tensor) -> None:
    (height, width), (expected_height, expected_width) = importance.shape[-2:], mask.shape[-2:]
    if (height, width) != (expected_height, expected_width):
        raise InputError(
            "importance",
            f"got {width}x{height} (width x height), expected {expected_width}x{expected_height} like the mask. Give "
            f"the map of the picture that the mask belongs to.",
        )
    if importance.ndim != mask.ndim or (len(importance) != len(mask) and 1 not in (len(importance), len(mask))):
        raise InputError(
            "importance",
            f"got {len(importance)} maps for {len(mask)} masks, expected one map, or one for each mask.",
        )


def require_scene(mask: Tensor) -> Tensor:
    """Where masks leave something of the picture: float32 of their shape [...,H,W], 1 outside of the object.

    Raises:
        InputError: when a mask covers everything.
    """
    outside = (~foreground(mask)).float()
    if bool((outside.sum((-2, -1)) < 1).any()):
        raise InputError(
            "mask",
            "the mask covers the whole picture, so there is no background. If the file is transparent around a white "
            "object, use channel alpha of LoadImageMask, then InvertMask.",
        )
    return outside


def require_same_frame(mask: Tensor, latent_shape: tuple[int, ...]) -> None:
    """Refuse a mask that cannot be of the picture behind a latent.

    Args:
        mask: [B,H,W] or [1,H,W].
        latent_shape: (B, C, h, w). A VAE may have cut up to one latent pixel on each side.

    Raises:
        InputError: when the number of masks or their aspect does not fit.
    """
    batch, _, height, width = latent_shape
    if mask.shape[0] not in (1, batch):
        raise InputError("mask", f"got {mask.shape[0]} masks for {batch} pictures. Give one mask, or one for each.")
    aspect = (mask.shape[-2] / height) / (mask.shape[-1] / width)
    slack = 1 + 1 / min(height, width)
    if not 1 / slack <= aspect <= slack:
        raise InputError(
            "mask",
            f"got {mask.shape[-1]}x{mask.shape[-2]} (width x height), which does not have the aspect of the inverted "
            f"latent, {width}x{height}. Give the mask of the picture that was inverted.",
        )
