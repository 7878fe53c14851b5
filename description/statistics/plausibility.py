"""How far a changed object's look leaves what is plausible for its kind."""

from __future__ import annotations

import math

from torch import Tensor

from ...core.lab import rgb_to_lab
from ...core.masks import foreground
from .norms import load_norms

# `look_distance` is less for 99.5% of the 1,215 natural photos of the split "train", each in its working view of 256
# pixels. Black and white lie at 3.5 to 5.4: there the other bounds refuse.
FARTHEST = 7.5
LEAST_RELIEF = 0.05  # recolored photos of that split keep more: 971 of 972, there and back, by both recipes of pairs
FLAT = 2.0  # standard deviation of L* below which an object has no relief to lose
DARKEST, LIGHTEST = 1.0, 99.9  # mean L*; objects of natural photos lie between


def distance_from_plausible(name: str, composite: Tensor, image: Tensor, mask: Tensor) -> float:
    """How far an object's look leaves what is plausible, after a change.

    Args:
        name: the object's name.
        composite: sRGB [H,W,3] in 0-1, before the change.
        image: [H,W,3], after it; the composite itself counts as well.
        mask: [H,W], 1 on the object.

    Returns:
        `look_distance`; inf where no kind of object helps: light and shade are lost or inverted, or all is black or
        white.
    """
    mask = mask.to(image.device)
    inside = DARKEST <= _lightness(image, mask).mean() <= LIGHTEST
    absurd = not inside or kept_relief(composite, image, mask) < LEAST_RELIEF
    return math.inf if absurd else look_distance(name, image, mask)


def look_distance(name: str, image: Tensor, mask: Tensor) -> float:
    """How far an object's look lies from the usual one of its kind (Euclidean, over the five axes).

    Args:
        name: the object's name; one that stands for no known kind is read as any object.
        image: sRGB [H,W,3] in 0-1.
        mask: [H,W], 1 on the object.

    Returns:
        0 or more, in units of the spread within a kind.
    """
    return load_norms().object_offset(name, image, mask).norm().item()


def kept_relief(before: Tensor, after: Tensor, mask: Tensor) -> float:
    """How much of an object's light and shade a change keeps: the slope of L* after over L* before.

    Args:
        before, after: sRGB [H,W,3] in 0-1.
        mask: [H,W], 1 on the object.

    Returns:
        1 where nothing changed or the object is flat; near 0 where it became black, white or of one color; below 0
        where light and dark changed places.
    """
    first, second = _lightness(before, mask), _lightness(after, mask)
    spread = first - first.mean()
    if spread.square().mean().sqrt() < FLAT:
        return 1.0
    return ((spread * second).sum() / spread.square().sum()).item()


def _lightness(image: Tensor, mask: Tensor) -> Tensor:
    """L* of the object's pixels, [N]."""
    return rgb_to_lab(image.float().movedim(-1, 0))[0][foreground(mask).to(image.device)]
