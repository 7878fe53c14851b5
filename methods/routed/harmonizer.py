"""Harmonize a picture of any size with the routed network."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ...color.lut import ColorLUT
from ...core.errors import InputError
from ...core.masks import bounding_box, empty_mask, foreground, require_scene
from ...core.view import Rectangle, cut, square_around
from .apply import apply_transform, global_lut
from .network import SIDE
from .transform import ColorTransform

LEAST_SIDE = 48  # of a square, pixels: the smallest that the training shows
# The sides of the squares that the network sees, over the object's. The local change lies over the first. In the global
# change their errors partly cancel: each shows more or less of the scene.
MARGINS = 2.0, 1.5, 3.0

Network = Callable[[Tensor, Tensor, Tensor], ColorTransform]  # squares of picture, mask, importance -> transform


@dataclass(frozen=True)
class RoutedHarmonizer:
    """A network that says how an object's colors must change to belong."""

    name: str
    network: Network

    @torch.no_grad()
    def look(self, image: Tensor, mask: Tensor, importance: Tensor) -> Proposal:
        """What the network proposes for one picture, as the mean over several squares and their mirror images.

        Args:
            image: [H,W,3], sRGB in 0-1, of any size.
            mask: [H,W] in 0-1, 1 on the object.
            importance: S, [H,W] in 0-1, see `importance_map`. On the object it is 1, whatever is given.

        Raises:
            InputError: when the mask is empty or covers everything, or sizes differ.
        """
        for parameter, plane in (("mask", mask), ("importance", importance)):
            if plane.shape != image.shape[:2]:
                raise InputError(parameter, f"got {_size(plane)}, expected {_size(image[..., 0])} like the image.")
        require_scene(mask)
        box = bounding_box(foreground(mask))
        if box is None:
            raise empty_mask()
        squares = [square_around(box, mask.shape, margin, LEAST_SIDE) for margin in MARGINS]
        shown = (seen_square(image, mask, importance, square) for square in squares)
        seen = [torch.cat(values) for values in zip(*shown, strict=True)]
        proposed = self.network(*(torch.cat((values, values.flip(-1))) for values in seen))
        return Proposal(squares[0], _mean(proposed))


def _mean(proposed: ColorTransform) -> ColorTransform:
    """One transform from those of squares of one object and, after them, of the squares' mirror images.

    The global change is the mean of all, with hues kept apart; the local one is that of the first square.
    """
    mirrored = len(proposed.local) // 2
    local = (proposed.local[:1] + proposed.local[mirrored : mirrored + 1].flip(-1)) / 2
    return ColorTransform(proposed.center[:1], proposed.curve.mean(0, keepdim=True), local).hues_apart()


def seen_square(image: Tensor, mask: Tensor, importance: Tensor, square: Rectangle) -> tuple[Tensor, Tensor, Tensor]:
    """What the network sees of a picture: colors [1,3,S,S], mask and importance [1,1,S,S], S = 128.

    Args:
        image: [H,W,3], sRGB in 0-1.
        mask, importance: [H,W] in 0-1.
        square: inside the picture.
    """
    own, height, width = mask[None].to(image).float(), square.height, square.width
    pixels, plane = cut(image[None].float(), own, square, SIDE)
    similar = torch.maximum(square.of(importance).to(own), square.of(own))
    shrunk, _ = cut(similar[..., None], similar, Rectangle(0, 0, height, width), SIDE)
    return pixels.movedim(-1, 1), plane[:, None], shrunk.movedim(-1, 1)


@dataclass(frozen=True)
class Proposal:
    """How one picture's object should change."""

    square: Rectangle  # of the picture, what the network saw
    transform: ColorTransform

    def applied(
        self, image: Tensor, mask: Tensor, strength: float = 1.0, local: bool = True
    ) -> tuple[Tensor, ColorLUT]:
        """The picture [H,W,3] with its object changed, and the global change as a LUT.

        Args:
            image: [H,W,3], the picture that was looked at.
            mask: [H,W] in 0-1.
            strength: 0 changes nothing, 1 is what the network proposes, more goes beyond.
            local: whether the change may differ from place to place; the LUT holds the global change alone.

        Raises:
            InputError: when the strength is below 0 or no number.
        """
        if not 0 <= strength < math.inf:
            raise InputError("strength", f"got {strength}, expected 0 or more.")
        scaled = self.transform.scaled(strength)
        lut = global_lut(scaled)
        if strength == 0:
            return image.clone(), lut
        return apply_transform(image, mask, lut, scaled.local[0] if local else None, self.square), lut


def _size(plane: Tensor) -> str:
    return f"{plane.shape[-1]}x{plane.shape[-2]}"
