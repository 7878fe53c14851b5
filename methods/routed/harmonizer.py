"""Harmonize a picture of any size with the routed network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ...color.lut import ColorLUT
from ...core.errors import InputError
from ...core.masks import foreground
from ...core.view import Rectangle, cut, find_view
from .apply import apply_transform, global_lut
from .network import SIDE
from .transform import ColorTransform

Network = Callable[[Tensor, Tensor, Tensor], ColorTransform]  # squares of picture, mask, importance -> transform


@dataclass(frozen=True)
class RoutedHarmonizer:
    """A network that says how an object's colors must change to belong."""

    name: str
    network: Network

    @torch.no_grad()
    def look(self, image: Tensor, mask: Tensor, importance: Tensor) -> Proposal:
        """What the network proposes for one picture: the mean over its square and the square's mirror image.

        Args:
            image: [H,W,3], sRGB in 0-1, of any size.
            mask: [H,W] in 0-1, 1 on the object.
            importance: S, [H,W] in 0-1, see `importance_map`.

        Raises:
            InputError: when the mask is empty or covers everything, or sizes differ.
        """
        for parameter, plane in (("mask", mask), ("importance", importance)):
            if plane.shape != image.shape[:2]:
                raise InputError(parameter, f"got {_size(plane)}, expected {_size(image[..., 0])} like the image.")
        if foreground(mask).all():
            raise InputError(
                "mask", "it covers the whole picture, so there is no scene that the object could look like."
            )
        square = find_view(foreground(mask))
        pixels, plane = cut(image[None].float(), mask[None].float(), square, SIDE)
        _, similar = cut(image[None].float(), importance[None].float(), square, SIDE)
        seen = pixels.movedim(-1, 1), plane[:, None], similar[:, None]
        transform, mirrored = self.network(*seen), self.network(*(values.flip(-1) for values in seen))
        return Proposal(square, transform.averaged(mirrored.mirrored()))


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
            InputError: when the strength is below 0.
        """
        if strength < 0:
            raise InputError("strength", f"got {strength}, expected 0 or more.")
        scaled = self.transform.scaled(strength)
        lut = global_lut(scaled)
        if strength == 0:
            return image.clone(), lut
        return apply_transform(image, mask, lut, scaled.local[0] if local else None, self.square), lut


def _size(plane: Tensor) -> str:
    return f"{plane.shape[-1]}x{plane.shape[-2]}"
