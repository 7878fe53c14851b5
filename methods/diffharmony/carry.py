"""Bring an edit of a small square back to the picture."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ...color.apply import apply_lut
from ...color.fit import fit_lut
from ...color.lut import ColorLUT
from ...core.errors import InputError
from ...core.view import Rectangle

Carry = Literal["pixels", "lut"]
CARRIES: tuple[Carry, ...] = get_args(Carry)


def carried(
    image: Tensor, mask: Tensor, view: Rectangle, before: Tensor, after: Tensor, weights: Tensor, carry: Carry
) -> tuple[Tensor, ColorLUT | None]:
    """A picture with its object edited. Where the mask is 0 it is bit-identical.

    Args:
        image: [1,H,W,3] in 0-1.
        mask: [1,H,W] in 0-1.
        view: the rectangle of the picture that was edited.
        before: what it shows, as a square [1,S,S,3].
        after: the square after the edit.
        weights: the square's mask [1,S,S].
        carry: "pixels": the edited pixels, brought to the view's size. "lut": the change of colors alone, so that
            the picture keeps its details.

    Returns:
        [1,H,W,3], and the LUT that changed it; None with "pixels".

    Raises:
        InputError: when `carry` is something else.
    """
    if carry == "lut":
        lut = fit_lut(before, after, weights)
        return apply_lut(image, lut, mask), lut
    if carry != "pixels":
        raise InputError("carry", f"got '{carry}', expected one of {', '.join(CARRIES)}.")
    edited = image.clone()
    rows, columns = slice(view.top, view.top + view.height), slice(view.left, view.left + view.width)
    edited[:, rows, columns] = resized(after, view.height, view.width).to(image)
    return pasted(image, mask, edited), None


def resized(image: Tensor, height: int, width: int) -> Tensor:
    """[B,h,w,3] in 0-1 at another size, antialiased where it shrinks."""
    planes = interpolate(image.float().movedim(-1, 1), size=(height, width), mode="bicubic", antialias=True)
    return planes.clamp(0, 1).movedim(1, -1)


def pasted(image: Tensor, mask: Tensor, edited: Tensor) -> Tensor:
    """`edited` over `image` [B,H,W,3], blended by the mask [B,H,W]; bit-identical to `image` where the mask is 0."""
    alpha = mask[..., None].to(image)
    return torch.where(alpha > 0, torch.lerp(image, edited.to(image), alpha), image)
