"""Carry a color transform from the network's square to the whole picture, at any resolution."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ...color.apply import TILE_PIXELS
from ...color.lut import ColorLUT, grid_colors
from ...core.masks import bounding_box
from ...core.view import Rectangle
from .transform import ColorTransform, local_change

LUT_SIZE = 33


def global_lut(transform: ColorTransform, size: int = LUT_SIZE, title: str = "routed harmonization") -> ColorLUT:
    """The global change as a LUT.

    Args:
        transform: of one picture.
        size: side of the LUT.
        title: of the LUT.
    """
    colors = grid_colors(size).to(transform.center.device).reshape(1, size * size, size, 3).movedim(-1, 1)
    table = transform.everywhere(colors).movedim(1, -1).reshape(size, size, size, 3)
    return ColorLUT(table.cpu(), title)


def apply_transform(image: Tensor, mask: Tensor, lut: ColorLUT, local: Tensor | None, square: Rectangle) -> Tensor:
    """Change the object's colors: through the LUT, then each pixel by its own affine numbers, blended by the mask.

    Args:
        image: [H,W,3], sRGB in 0-1.
        mask: [H,W] in 0-1.
        lut: the global change.
        local: affine numbers over the square, [12,h,w]; None leaves the local change out.
        square: what of the picture the network saw.

    Returns:
        A new image [H,W,3]; where the mask is 0 it is bit-identical.
    """
    out = image.clone(memory_format=torch.contiguous_format)
    box = bounding_box(mask)
    if box is None:
        return out
    mask = mask.to(image.device)
    top, bottom, left, right = box
    if local is not None:
        local = local.to(image)
        across = _spread(local.shape[2], square.left, square.width, left, right).to(image)
        down = _spread(local.shape[1], square.top, square.height, top, bottom).to(image)
    rows = max(1, TILE_PIXELS // (right - left))
    for start in range(top, bottom, rows):
        stop = min(start + rows, bottom)
        tile, alpha = out[start:stop, left:right], mask[start:stop, left:right]
        inside = alpha > 0
        colors = tile[inside]
        changed = lut.sample(colors)
        if local is not None:
            numbers = (down[start - top : stop - top] @ local) @ across.T  # [12,rows,columns]
            changed = local_change(changed.T[None, ..., None], numbers[:, inside][None, ..., None])[0, ..., 0].T
        tile[inside] = torch.lerp(colors, changed, alpha[inside].to(colors.dtype)[:, None])
    return out


def _spread(nodes: int, begin: int, length: int, first: int, last: int) -> Tensor:
    """Bilinear weights [last-first,nodes] of the nodes for a picture's rows (or columns) first to last.

    The nodes lie evenly over `length` rows from `begin`; rows beyond take those of the nearest one.
    """
    weights = interpolate(torch.eye(nodes)[None], length, mode="linear", align_corners=False)[0].T
    return weights[(torch.arange(first, last) - begin).clamp(0, length - 1)]
