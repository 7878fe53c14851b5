"""What DiffHarmony's networks see of a composite."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ...core.errors import InputError
from ...core.masks import foreground


def latent_frame(picture: Tensor, grid: tuple[int, int], scale: int) -> Tensor:
    """The part of pictures that a latent shows: the host cuts sides to a multiple of `scale`, evenly at both ends.

    Args:
        picture: [B,H,W,C] or [B,H,W].
        grid: (h, w) of the latent.
        scale: pixels of a side for one of the latent's; Stable Diffusion's VAE has 8.

    Returns:
        [B,scale*h,scale*w,C] or [B,scale*h,scale*w].

    Raises:
        InputError: when the pictures have another size than the one that was encoded.
    """
    (height, width), (rows, columns) = picture.shape[1:3], grid
    if (height // scale, width // scale) != (rows, columns):
        raise InputError(
            "image",
            f"got {width}x{height} (width x height) for a latent of {columns}x{rows}, expected {columns * scale}x"
            f"{rows * scale}. Give the picture at the size at which it was encoded.",
        )
    top, left = (height - rows * scale) // 2, (width - columns * scale) // 2
    return picture[:, top : top + rows * scale, left : left + columns * scale]


def latent_mask(mask: Tensor, grid: tuple[int, int]) -> Tensor:
    """A mask as the UNet was trained with it: made binary, then sampled at the nearest pixels. Nothing is blurred.

    Args:
        mask: [B,H,W] in 0-1, 1 on the object.
        grid: (h, w) of the latent.

    Returns:
        [B,1,h,w], float32, 0 or 1.

    Raises:
        InputError: when nothing of an object is left at that size.
    """
    small = interpolate(foreground(mask)[:, None].to(torch.float32), size=grid, mode="nearest")
    if not bool(small.amax((1, 2, 3)).all()):
        raise InputError(
            "mask",
            f"the object is so small that nothing of it is left at the latent's size, {grid[1]}x{grid[0]}. Cut out a "
            f"square around it, or work at a larger size.",
        )
    return small
