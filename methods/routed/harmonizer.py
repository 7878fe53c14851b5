"""Harmonize a picture of any size with the routed network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ...color.lut import ColorLUT
from ...core.errors import InputError
from ...core.masks import foreground, require_scene
from ...core.view import Rectangle, cut, find_view
from .apply import apply_transform, global_lut
from .network import SIDE
from .transform import ColorTransform

LEAST_SIDE = 48  # of the square, pixels: the smallest that the training shows

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
            importance: S, [H,W] in 0-1, see `importance_map`. On the object it is 1, whatever is given.

        Raises:
            InputError: when the mask is empty or covers everything, or sizes differ.
        """
        for parameter, plane in (("mask", mask), ("importance", importance)):
            if plane.shape != image.shape[:2]:
                raise InputError(parameter, f"got {_size(plane)}, expected {_size(image[..., 0])} like the image.")
        require_scene(mask)
        square = find_view(foreground(mask), least=LEAST_SIDE)
        seen = seen_square(image, mask, importance, square)
        transform, mirrored = self.network(*seen), self.network(*(values.flip(-1) for values in seen))
        return Proposal(square, transform.averaged(mirrored.mirrored()))


def seen_square(image: Tensor, mask: Tensor, importance: Tensor, square: Rectangle) -> tuple[Tensor, Tensor, Tensor]:
    """What the network sees of a picture: colors [1,3,S,S], mask and importance [1,1,S,S], S = 128.

    Args:
        image: [H,W,3], sRGB in 0-1.
        mask, importance: [H,W] in 0-1.
        square: inside the picture.
    """
    own = mask.to(image)
    similar = torch.maximum(importance.to(image), own)
    planes, plane = cut(torch.cat((image, similar[..., None]), dim=-1)[None].float(), own[None].float(), square, SIDE)
    planes = planes.movedim(-1, 1)
    return planes[:, :3], plane[:, None], planes[:, 3:]


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
