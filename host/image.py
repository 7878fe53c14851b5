"""IMAGE, MASK and VAE as the engine needs them."""

from __future__ import annotations

import logging

import torch
from comfy.sd import VAE
from torch import Tensor

from ..core.errors import InputError, renamed
from ..core.masks import PAINT_OR_FILE, empty_mask, foreground, require_selection, warn_if_inverted
from ..core.painted import snapped

logger = logging.getLogger(__name__)

PAINTED = "the one that is painted on the picture"
NOT_FINITE = "it holds values that are no numbers (NaN or infinite)"


def as_batch(mask: Tensor) -> Tensor:
    """A MASK, which the host allows to be [H,W], as [B,H,W]."""
    return mask[None] if mask.ndim == 2 else mask


def check_image(image: Tensor, parameter: str = "image") -> Tensor:
    """An IMAGE that holds at least one RGB picture of numbers, unchanged.

    Args:
        image: IMAGE [B,H,W,3].
        parameter: the name that the calling function has for it.

    Raises:
        InputError: when it is something else.
    """
    if image.ndim != 4 or image.shape[-1] != 3 or not image.numel():
        raise InputError(
            parameter, f"got shape {tuple(image.shape)}, expected at least one RGB picture, [batch, height, width, 3]."
        )
    if not _all_finite(image):
        raise InputError(parameter, f"{NOT_FINITE}, expected colors from 0 to 1. A node before this one made them.")
    return image


def check_mask(mask: Tensor, image: Tensor) -> Tensor:
    """The foreground mask of an image, one for each of its pictures, values unchanged.

    Args:
        mask: MASK, [H,W], [1,H,W] or [B,H,W], in 0-1 or bool, 1 on the foreground.
        image: IMAGE [B,H,W,3].

    Returns:
        [B,H,W], floating point.

    Raises:
        InputError: when the image is none, or the mask has another size or selects nothing.
    """
    check_image(image)
    mask = _as_planes(mask, "mask")
    (batch, height, width), count = image.shape[:3], len(mask)
    if mask.shape[1:] == (64, 64) != (height, width) and not bool(mask.any()):
        raise InputError("mask", f"there is no mask, the picture is {width}x{height}. {PAINT_OR_FILE}")
    if mask.shape[1:] != (height, width) or count == 0:
        raise InputError(
            "mask",
            f"got {_size(mask)}, expected {_size(image[..., 0])} like the image. Load both from files of one size.",
        )
    if batch == 1 < count:
        raise InputError(
            "mask",
            f"got {count} masks for one picture, expected one. For several objects use Harmonize Instances, with a "
            f"description for each mask.",
        )
    if count not in (1, batch):
        raise InputError("mask", f"got {count} masks for {batch} pictures, expected one, or one for each picture.")
    require_selection(mask)
    warn_if_inverted(mask)
    return mask.expand(batch, -1, -1)


def painted_or_file(
    image: Tensor, painted: Tensor, file: Tensor | None = None, *, snap: bool = False
) -> tuple[Tensor, str]:
    """The object's mask: the one that was painted on the picture, or else a file's.

    Args:
        image: IMAGE [B,H,W,3].
        painted: MASK as the host loads it with the picture; 64x64 zeros where the file has none.
        file: MASK, or None.
        snap: bring the edge of a painted mask to the object's, see `snapped`. That of a file stays as it is.

    Returns:
        [B,H,W], and where it comes from, in words.

    Raises:
        InputError: when there is no mask, or the one that counts does not fit.
    """
    painted = _as_planes(painted, "painted")
    if bool(foreground(painted).any()) or file is None:
        with renamed(mask="painted"):
            mask = check_mask(painted, image)
        return _at_the_edge(image, mask) if snap else (mask, PAINTED)
    (height, width), size = image.shape[1:3], as_batch(file).shape[-2:]
    if size != (height, width):
        raise InputError(
            "file",
            f"nothing is painted on the picture, and the mask of the file is {size[1]}x{size[0]} where the picture is "
            f"{width}x{height}. {PAINT_OR_FILE}",
        )
    with renamed(mask="file"):
        return check_mask(file, image), "the one of the file"


def _at_the_edge(image: Tensor, mask: Tensor) -> tuple[Tensor, str]:
    """Painted masks [B,H,W] brought to the edges of their objects, as far as these are found."""
    try:
        found = [snapped(*pair) for pair in zip(image[..., :3], mask, strict=True)]
    except ModuleNotFoundError:
        logger.warning("The mask stays as it is painted. To find its edge, install opencv-python-headless.")
        return mask, PAINTED
    edges = torch.stack([plane if own is None else own for own, plane in zip(found, mask, strict=True)])
    if all(own is None for own in found):
        return edges, f"{PAINTED}, as it is: no edge of an object was found near its own"
    return edges, f"{PAINTED}, brought to the object's edge"


def check_importance(importance: Tensor, image: Tensor) -> Tensor:
    """A map of who looks like the object, one for each picture of an image, values unchanged.

    Args:
        importance: MASK, [H,W], [1,H,W] or [B,H,W], in 0-1.
        image: IMAGE [B,H,W,C].

    Returns:
        [B,H,W].

    Raises:
        InputError: when it has another size.
    """
    importance = _as_planes(importance, "importance")
    batch, count = len(image), len(importance)
    if importance.shape[1:] != image.shape[1:3] or count not in (1, batch):
        raise InputError(
            "importance",
            f"got {_size(importance)}, expected {_size(image[..., 0])} like the image. Make it from the same image.",
        )
    return importance.expand(batch, -1, -1)


def check_regions(regions: Tensor, image: Tensor, parameter: str = "regions") -> Tensor:
    """Several masks of one image, values unchanged.

    Args:
        regions: MASK, [H,W] or [R,H,W], in 0-1.
        image: IMAGE [B,H,W,C]; all its pictures have the same regions.
        parameter: the name that the calling function has for the masks.

    Returns:
        [R,H,W].

    Raises:
        InputError: when the masks have another size, or one of them selects nothing.
    """
    check_image(image)
    regions = _as_planes(regions, parameter)
    if not len(regions) or regions.shape[1:] != image.shape[1:3]:
        raise InputError(
            parameter,
            f"got {_size(regions)}, expected masks of {image.shape[2]}x{image.shape[1]} like the image. Join masks of "
            f"one size with Batch Masks. For a working view, cut them together with it.",
        )
    for number, region in enumerate(regions, 1):
        if not foreground(region).any():
            raise empty_mask(parameter, f"mask {number} of {len(regions)}", float(region.max()))
    return regions


def encode(vae: VAE, image: Tensor) -> Tensor:
    """IMAGE [B,H,W,3+] in 0-1 to LATENT samples [B,C,h,w]; the host crops sides to the VAE's multiple."""
    return vae.encode(image[..., :3])


def decode(vae: VAE, latent: Tensor) -> Tensor:
    """LATENT samples [B,C,h,w] to IMAGE [B,H,W,3] in 0-1."""
    image = vae.decode(latent)
    return image.flatten(0, 1) if image.ndim == 5 else image  # video VAEs add a frame axis


def _as_planes(mask: Tensor, parameter: str) -> Tensor:
    """A MASK as [B,H,W] of floating point numbers.

    Raises:
        InputError: when it has another form, or holds values that are no numbers.
    """
    mask = as_batch(mask)
    if mask.ndim != 3:
        raise InputError(parameter, f"got shape {tuple(mask.shape)}, expected masks [batch, height, width].")
    mask = mask if mask.is_floating_point() else mask.float()
    if not _all_finite(mask):
        raise InputError(parameter, f"{NOT_FINITE}, expected 0 to 1. A node before this one made them.")
    return mask


def _all_finite(values: Tensor) -> bool:
    """Whether all are numbers: their extremes are NaN or infinite where one is. 30 times faster than to ask each."""
    return not values.numel() or all(bool(extreme.isfinite()) for extreme in values.aminmax())


def _size(mask: Tensor) -> str:
    return f"{mask.shape[-1]}x{mask.shape[-2]} (batch of {mask.shape[0]})" if mask.ndim == 3 else str(tuple(mask.shape))
