"""IMAGE, MASK and VAE as the engine needs them."""

from __future__ import annotations

from comfy.sd import VAE
from torch import Tensor

from ..core.errors import InputError
from ..core.masks import empty_mask, foreground, require_selection, warn_if_inverted


def as_batch(mask: Tensor) -> Tensor:
    """A MASK, which the host allows to be [H,W], as [B,H,W]."""
    return mask[None] if mask.ndim == 2 else mask


def check_mask(mask: Tensor, image: Tensor) -> Tensor:
    """The foreground mask of an image, one for each of its pictures, values unchanged.

    Args:
        mask: MASK, [H,W], [1,H,W] or [B,H,W], in 0-1, 1 on the foreground.
        image: IMAGE [B,H,W,C].

    Returns:
        [B,H,W].

    Raises:
        InputError: when the mask has another size or selects nothing.
    """
    mask = as_batch(mask)
    (batch, height, width), count = image.shape[:3], len(mask)
    if mask.ndim != 3 or mask.shape[1:] != (height, width) or count not in (1, batch):
        raise InputError(
            "mask",
            f"got {_size(mask)}, expected {_size(image[..., 0])} like the image. Load both from files of the same size "
            f"(the alpha channel of LoadImage is 64x64 when the file has none).",
        )
    warn_if_inverted(require_selection(mask))
    return mask.expand(batch, -1, -1)


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
    importance = as_batch(importance)
    batch, count = len(image), len(importance)
    if importance.ndim != 3 or importance.shape[1:] != image.shape[1:3] or count not in (1, batch):
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
    regions = as_batch(regions)
    if regions.ndim != 3 or regions.shape[1:] != image.shape[1:3]:
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


def _size(mask: Tensor) -> str:
    return f"{mask.shape[-1]}x{mask.shape[-2]} (batch of {mask.shape[0]})" if mask.ndim == 3 else str(tuple(mask.shape))
