"""IMAGE, MASK and VAE as the engine needs them."""

from __future__ import annotations

import logging
from typing import Any

from torch import Tensor

from ..core.masks import NEARLY_ALL, foreground

logger = logging.getLogger(__name__)


def check_mask(mask: Tensor, image: Tensor, node: str = "The loop") -> Tensor:
    """The foreground mask of an image, [B,H,W] with B that of the image, values unchanged.

    Args:
        mask: MASK, [H,W] or [B,H,W] or [1,H,W], in [0,1], 1 on the foreground.
        image: IMAGE [B,H,W,C].
        node: name of the node that asks, for the errors.

    Raises:
        ValueError: when the mask has another size or selects nothing.
    """
    mask = mask[None] if mask.ndim == 2 else mask
    (batch, height, width), count = image.shape[:3], len(mask)
    if mask.ndim != 3 or mask.shape[1:] != (height, width) or count not in (1, batch):
        raise ValueError(
            f"{node}, input mask: got {_size(mask)}, expected {_size(image[..., 0])} like the image. Load both from "
            f"files of the same size (the alpha channel of LoadImage is 64x64 when the file has none)."
        )
    covered = foreground(mask).float().mean(dim=(1, 2))
    if covered.min() == 0:
        raise ValueError(
            f"{node}, input mask: the mask is empty (no value reaches 100/255). It must be 1 on the foreground; for a "
            f"black-and-white file use LoadImageMask, since LoadImage reads only the alpha channel."
        )
    if covered.max() > NEARLY_ALL:
        logger.warning(
            "%s: the mask covers %.0f%% of the image; it may be inverted (LoadImage gives 1 - alpha: use InvertMask if "
            "so), or a white object on a transparent ground (use channel alpha of LoadImageMask, then InvertMask).",
            node,
            100 * float(covered.max()),
        )
    return mask.expand(batch, -1, -1)


def check_regions(regions: Tensor, image: Tensor, node: str = "The loop", name: str = "regions") -> Tensor:
    """Several masks of one image, [R,H,W], values unchanged.

    Args:
        regions: MASK, [H,W] or [R,H,W], in [0,1].
        image: IMAGE [B,H,W,C]; all its pictures have the same regions.
        node: name of the node that asks, for the errors.
        name: of its input.

    Raises:
        ValueError: when the masks have another size or one selects nothing.
    """
    regions = regions[None] if regions.ndim == 2 else regions
    if regions.ndim != 3 or regions.shape[1:] != image.shape[1:3]:
        raise ValueError(
            f"{node}, input {name}: got {_size(regions)}, expected masks of {image.shape[2]}x{image.shape[1]} like "
            f"the image. Join masks of one size with Batch Masks; the working view's come from Working View."
        )
    empty = [number for number, region in enumerate(regions, 1) if not foreground(region).any()]
    if empty:
        raise ValueError(f"{node}, input {name}: mask {empty[0]} of {len(regions)} is empty; leave it out.")
    return regions


def encode(vae: Any, image: Tensor) -> Tensor:
    """IMAGE [B,H,W,3+] in [0,1] to LATENT samples [B,C,h,w]; the host crops sides to the VAE's multiple."""
    return vae.encode(image[..., :3])


def decode(vae: Any, latent: Tensor) -> Tensor:
    """LATENT samples [B,C,h,w] to IMAGE [B,H,W,3] in [0,1]."""
    image = vae.decode(latent)
    return image.flatten(0, 1) if image.ndim == 5 else image  # video VAEs add a frame axis


def _size(mask: Tensor) -> str:
    return f"{mask.shape[-1]}x{mask.shape[-2]} (batch of {mask.shape[0]})" if mask.ndim == 3 else str(tuple(mask.shape))
