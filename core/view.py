"""The working view: what of a picture the model sees, as a square of its own size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor
from torch.nn.functional import interpolate

from .masks import bounding_box, empty_mask, foreground, keep_visible

ViewMode = Literal["crop", "whole"]
MARGIN = 2.0  # the crop's side over the mask's


@dataclass(frozen=True)
class Rectangle:
    """A rectangle of a picture, in pixels."""

    top: int
    left: int
    height: int
    width: int

    def of(self, picture: Tensor) -> Tensor:
        """The part of a picture [..., H, W] inside the rectangle."""
        return picture[..., self.top : self.top + self.height, self.left : self.left + self.width]


def find_view(mask: Tensor, mode: ViewMode = "crop") -> Rectangle:
    """The rectangle that the working view shows.

    Args:
        mask: [H,W], nonzero on the object.
        mode: "crop": see `square_around`, at MARGIN. "whole": the whole picture.

    Raises:
        InputError: when a crop is asked for and the mask is empty.
    """
    if mode == "whole":
        return Rectangle(0, 0, *mask.shape)
    box = bounding_box(mask)
    if box is None:
        raise empty_mask()
    return square_around(box, mask.shape)


def square_around(
    box: tuple[int, int, int, int], picture: tuple[int, ...], margin: float = MARGIN, least: int = 1
) -> Rectangle:
    """A square around an object. Where the picture is narrower, the picture's whole side: the object is always inside.

    Args:
        box: of the object, see `bounding_box`.
        picture: its (height, width).
        margin: the square's side over the object's, at least 1.
        least: the square's side in pixels, where the object is so small that `margin` times its size is less.
    """
    top, bottom, left, right = box
    side = max(least, round(margin * max(bottom - top, right - left)))
    height, width = (min(side, limit) for limit in picture)
    top, left = place((top + bottom) / 2, height, picture[0]), place((left + right) / 2, width, picture[1])
    return Rectangle(top, left, height, width)


def padded(box: tuple[int, int, int, int], picture: tuple[int, ...], margin: int) -> Rectangle:
    """A box and a margin around it, as far as the picture reaches.

    Args:
        box: of the object, see `bounding_box`.
        picture: its (height, width).
        margin: in pixels.
    """
    (top, bottom, left, right), (height, width) = box, picture
    top, left = max(0, top - margin), max(0, left - margin)
    return Rectangle(top, left, min(height, bottom + margin) - top, min(width, right + margin) - left)


def working_view(image: Tensor, mask: Tensor, size: int, mode: ViewMode = "crop") -> tuple[Tensor, Tensor]:
    """Cut a picture and resize it to the model's square.

    Args:
        image: [B,H,W,3] in 0-1.
        mask: [B,H,W], 1 on the foreground. The first one places the rectangle for all.
        size: side of the square in pixels.
        mode: see `find_view`.

    Returns:
        image [B,size,size,3] and mask [B,size,size], antialiased where they shrink.

    Raises:
        InputError: when a crop is asked for and the first mask is empty.
    """
    return cut(image, mask, find_view(foreground(mask[0]), mode), size)


def cut(image: Tensor, mask: Tensor, rectangle: Rectangle, size: int) -> tuple[Tensor, Tensor]:
    """What a rectangle shows, resized to a square.

    Args:
        image: [B,H,W,3] in 0-1.
        mask: [B,H,W] in 0-1.
        rectangle: inside the picture.
        size: side of the square in pixels.

    Returns:
        image [B,size,size,3] and mask [B,size,size].
    """
    pixels, planes = rectangle.of(image.movedim(-1, 1)), rectangle.of(mask)[:, None]
    shrinks = rectangle.height > size or rectangle.width > size
    kernel, corners = ("area", None) if shrinks else ("bilinear", False)
    square = [interpolate(x, (size, size), mode=kernel, align_corners=corners).clamp(0, 1) for x in (pixels, planes)]
    return square[0].movedim(1, -1), keep_visible(square[1][:, 0])


def scaled(planes: Tensor, factor: float) -> Tensor:
    """Planes [C,H,W] in 0-1 with sides of another length, antialiased where they shrink; 1 leaves them as they are."""
    if factor == 1:
        return planes
    size = [max(1, round(factor * length)) for length in planes.shape[-2:]]
    return interpolate(planes[None], size, mode="bilinear", antialias=True)[0].clamp(0, 1)


def place(center: float, length: int, limit: int) -> int:
    """Where a stretch of a length that is centered on `center` starts, moved inside [0, limit)."""
    return min(max(int(center - length / 2), 0), limit - length)
