"""The embedded networks that make composites of real pictures, and pick the one that belongs least."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from ...host.diffharmony.harmonizer import make_composites
from ...host.evaluator import CLASSIFIER, load_evaluator
from .loader import SETTINGS, load_diffharmony


def embedded_inverse() -> Callable[[Tensor, Tensor, int, int], Tensor]:
    """Image [1,H,W,3], mask [1,H,W], first seed and count -> composites [K,H,W,3].

    The model sees the square around the object; a LUT carries its colors to the picture.
    """
    models = load_diffharmony("inverse")

    def inverse(image: Tensor, mask: Tensor, seed: int, count: int) -> Tensor:
        return make_composites(models, image, mask, replace(SETTINGS, seed=seed), count=count, carry="lut")

    return inverse


def embedded_classifier() -> Callable[[Tensor, Tensor], Tensor]:
    """Images [B,H,W,3] and masks [B,H,W] -> how little each belongs, [B], by the embedded harmony classifier."""
    evaluator = load_evaluator(CLASSIFIER)
    return lambda images, masks: 1 - evaluator.score(images, masks)
