"""The harmony score of a picture with a pasted object (paper sec. 3.3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..core.errors import InputError
from ..core.masks import bounding_box, empty_mask, foreground
from ..core.view import MARGIN, Rectangle, ViewMode, cut, place
from .networks import SIDE


@dataclass(frozen=True)
class HarmonyEvaluator:
    """A harmony classifier and what of a picture it looks at."""

    name: str
    classify: Callable[[Tensor], Tensor]  # [B,4,256,256], RGB in [-1,1] and the mask, -> logits [B,2]
    view: ViewMode = "crop"  # a square around the object, or the whole picture stretched to one

    @torch.no_grad()
    def score(self, image: Tensor, mask: Tensor) -> Tensor:
        """How likely each picture is to be harmonious.

        Pictures are scored one by one, so that a batch changes nothing.

        Args:
            image: [B,H,W,3], sRGB in 0-1, of any size.
            mask: [B,H,W], 1 on the object.

        Returns:
            [B] in 0-1; higher is more harmonious.

        Raises:
            InputError: when a mask is empty, or the object's parts lie too far apart for one square.
        """
        squares = (evaluator_input(i[None], m[None], self.view) for i, m in zip(image, mask, strict=True))
        return torch.cat([self.classify(square).float().softmax(1)[:, 1].cpu() for square in squares])


def evaluator_input(image: Tensor, mask: Tensor, view: ViewMode = "crop") -> Tensor:
    """The classifier's input, RGB in [-1,1] and the mask.

    Args:
        image: [1,H,W,3], sRGB in 0-1.
        mask: [1,H,W], 1 on the object.
        view: "crop": the square around the object. "whole": the whole picture, stretched to a square.

    Returns:
        [1,4,256,256].

    Raises:
        InputError: when the mask is empty, or the square shows nothing of the object.
    """
    mask = mask.to(image.device)
    rectangle = object_square(mask[0]) if view == "crop" else Rectangle(0, 0, *mask.shape[1:])
    pixels, plane = cut(image.float(), mask.float(), rectangle, SIDE)
    if not foreground(plane).any():
        raise InputError(
            "mask",
            "the object's parts lie so far apart that the square in their middle shows none of them. Give a picture "
            "and a mask that were cut to the working view.",
        )
    return torch.cat((pixels.movedim(-1, 1) * 2 - 1, plane[:, None]), dim=1)


def object_square(mask: Tensor) -> Rectangle:
    """The square around the object: twice its size, or the picture's shorter side if that is less.

    Unlike the working view it is always a true square. Shapes that are stretched in some pictures only would tell one
    source of pictures from another.

    Args:
        mask: [H,W], 1 on the object.

    Raises:
        InputError: when the mask is empty.
    """
    box = bounding_box(foreground(mask))
    if box is None:
        raise empty_mask()
    top, bottom, left, right = box
    side = min(round(MARGIN * max(bottom - top, right - left)), *mask.shape)
    middle = (top + bottom) / 2, (left + right) / 2
    top, left = (place(center, side, limit) for center, limit in zip(middle, mask.shape, strict=True))
    return Rectangle(top, left, side, side)
