"""The harmony score of a picture with a pasted object (paper sec. 3.3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..core.masks import bounding_box, foreground
from ..core.view import MARGIN, ViewMode, Window, cut
from .networks import SIDE


@dataclass(frozen=True)
class HarmonyEvaluator:
    """A harmony classifier and what of a picture it looks at."""

    name: str
    classify: Callable[[Tensor], Tensor]  # [B,4,256,256], RGB in [-1,1] and the mask, -> logits [B,2]
    view: ViewMode = "crop"  # a square about the object, or the whole picture stretched to one

    @torch.no_grad()
    def score(self, image: Tensor, mask: Tensor) -> Tensor:
        """How likely each picture is to be harmonious, [B] in 0-1.

        image: [B,H,W,3], sRGB in 0-1; mask: [B,H,W], 1 on the object; of any size. Pictures are scored one by one, so
        that a batch changes nothing. Raises ValueError when a mask is empty.
        """
        squares = (evaluator_input(i[None], m[None], self.view) for i, m in zip(image, mask, strict=True))
        return torch.cat([self.classify(square).float().softmax(1)[:, 1].cpu() for square in squares])


def evaluator_input(image: Tensor, mask: Tensor, view: ViewMode = "crop") -> Tensor:
    """image [1,H,W,3] and mask [1,H,W] -> the classifier's input [1,4,256,256]."""
    window = square_window(mask[0]) if view == "crop" else Window(0, 0, *mask.shape[1:])
    pixels, plane = cut(image.float(), mask.float(), window, SIDE)
    if not foreground(plane).any():
        raise ValueError(
            "HarmonyScore, input mask: the object's parts lie so far apart that the square in their middle shows none "
            "of them; score the picture and the mask that WorkingView gives."
        )
    return torch.cat((pixels.movedim(-1, 1) * 2 - 1, plane[:, None]), dim=1)


def square_window(mask: Tensor) -> Window:
    """The square about the object of mask [H,W]: twice its size, or the picture's shorter side if that is less.

    Unlike the working view it is always a true square, since shapes that are stretched in some pictures only would
    tell one source of pictures from another.
    """
    box = bounding_box(foreground(mask))
    if box is None:
        raise ValueError("HarmonyScore, input mask: the mask is empty; it must be 1 on the pasted object.")
    top, bottom, left, right = box
    side = min(round(MARGIN * max(bottom - top, right - left)), *mask.shape)
    middle = (top + bottom) / 2, (left + right) / 2
    top, left = (place(center, side, limit) for center, limit in zip(middle, mask.shape, strict=True))
    return Window(top, left, side, side)


def place(center: float, length: int, limit: int) -> int:
    """Where a stretch of a length that is centered on `center` starts, moved inside [0, limit)."""
    return min(max(int(center - length / 2), 0), limit - length)
