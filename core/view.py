"""The working view: what of a picture the model sees, as a square of its own size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor
from torch.nn.functional import interpolate

from .masks import bounding_box, foreground, keep_visible

ViewMode = Literal["crop", "whole"]
MARGIN = 2.0  # the crop's side over the mask's


@dataclass(frozen=True)
class Window:
    """A rectangle of a picture, in pixels."""

    top: int
    left: int
    height: int
    width: int

    def of(self, picture: Tensor) -> Tensor:
        """Cut [..., H, W] to the window."""
        return picture[..., self.top : self.top + self.height, self.left : self.left + self.width]


def find_window(mask: Tensor, mode: ViewMode = "crop") -> Window:
    """The window that shows mask [H,W]: a square around it, twice its size where the picture allows, or everything.

    A picture narrower than the square gives its whole side, so the mask is always inside. Raises ValueError for an
    empty mask.
    """
    height, width = mask.shape
    if mode == "whole":
        return Window(0, 0, height, width)
    box = bounding_box(mask)
    if box is None:
        raise ValueError("WorkingView, input mask: the mask is empty; it must be 1 on the pasted object.")
    top, bottom, left, right = box
    side = round(MARGIN * max(bottom - top, right - left))
    top, h = _place(top, bottom, min(side, height), height)
    left, w = _place(left, right, min(side, width), width)
    return Window(top, left, h, w)


def working_view(image: Tensor, mask: Tensor, size: int, mode: ViewMode = "crop") -> tuple[Tensor, Tensor]:
    """Cut and resize to the model's square.

    image: [B,H,W,3] in 0-1; mask: [B,H,W], 1 on the foreground; the first row's mask places the window.
    Returns image [B,size,size,3] and mask [B,size,size], antialiased when they shrink.
    """
    return cut(image, mask, find_window(foreground(mask[0]), mode), size)


def cut(image: Tensor, mask: Tensor, window: Window, size: int) -> tuple[Tensor, Tensor]:
    """What a window shows, as a square: image [B,size,size,3] and mask [B,size,size]."""
    pixels, planes = window.of(image.movedim(-1, 1)), window.of(mask)[:, None]
    shrinks = window.height > size or window.width > size
    kernel, corners = ("area", None) if shrinks else ("bilinear", False)
    square = [interpolate(x, (size, size), mode=kernel, align_corners=corners).clamp(0, 1) for x in (pixels, planes)]
    return square[0].movedim(1, -1), keep_visible(square[1][:, 0])


def _place(start: int, end: int, length: int, limit: int) -> tuple[int, int]:
    """(start, length) of a stretch centered on [start, end), moved inside [0, limit)."""
    return min(max((start + end - length) // 2, 0), limit - length), length
