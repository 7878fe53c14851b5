"""Looks of the objects in training pictures, and how far those of predicted pictures are off."""

from __future__ import annotations

from torch import Tensor

from ...description.statistics.appearance import region_appearance
from ...description.statistics.norms import load_norms

CLEAREST = 2.0  # sigma: under stronger noise the best guess is blurred, and has no contrast to compare
FARTHEST = 3.0  # in the norms' scale: what is off by more has no slope
DARKEST = 1e-3  # of a channel in 0-1: Lab is steep at black


def object_looks(images: Tensor, masks: Tensor) -> Tensor:
    """[B,5] along AXES, in Lab units, of images [B,3,H,W] in 0-1 where masks [B,1,H,W] are above a half."""
    return region_appearance(images.movedim(1, -1), (masks[:, 0] > 0.5).float() + 1e-4)


def look_loss(made: Tensor, images: Tensor, masks: Tensor, sigma: Tensor) -> Tensor:
    """How far the looks of predicted objects are from those that their captions describe, squared.

    Color strength and contrast weigh little in the error of pixels, so their words are hardly learned from it.

    Args:
        made: the predicted pictures, [B,3,H,W] in about 0-1.
        images: those that the captions describe, the same.
        masks: [B,1,H,W], 1 on the object.
        sigma: of the noise under which they were predicted, [B]; the stronger, the less a picture counts.
    """
    looks, wanted = (object_looks(pixels, masks) for pixels in (made.clamp(DARKEST, 1), images))
    off = ((looks - wanted) / load_norms().scale.to(looks)).clamp(-FARTHEST, FARTHEST)
    weight = (sigma < CLEAREST) / (1 + sigma)
    return (weight * off.square().mean(1)).sum() / weight.sum().clamp_min(1)
