"""The squares of photographs that the evaluator learns from."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence

from torch import Tensor
from torch.nn.functional import avg_pool2d

from ...core.masks import bounding_box, foreground
from ...core.view import Rectangle, cut, place
from ...data.photos import Photo
from ...evaluator.model import object_square
from ...evaluator.networks import SIDE
from ..crops import Crops, collect_crops

SHARES = 0.02, 0.95  # of the object in a square: the least and the most


def cut_crops(
    photos: Sequence[Photo], reduction: int, per_photo: int, generator: random.Random, side: int = SIDE
) -> Crops:
    """Squares about the object, the first as the evaluator cuts it, the others larger or smaller and off center.

    Args:
        photos: of both kinds.
        reduction: the factor by which the network shrinks its square at once; the squares are stored at that size.
        per_photo: squares of each photo; those that are nearly all object or hold hardly any are left out.
        generator: of the squares' places.
        side: of a square before the reduction, pixels.

    Raises:
        ValueError: when no square is left.
    """

    def squares(image: Tensor, mask: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        for square in squares_about(mask, per_photo, generator):
            pixels, plane = cut(image[None], mask[None], square, side)
            if SHARES[0] < plane.mean() < SHARES[1]:
                yield avg_pool2d(pixels.movedim(-1, 1), reduction), avg_pool2d(plane[:, None], reduction)

    return collect_crops(photos, squares)


def squares_about(mask: Tensor, count: int, generator: random.Random) -> Iterator[Rectangle]:
    """So many squares about the object of a mask [H,W]: the first as the evaluator cuts it, the others at random."""
    for number in range(count):
        yield random_square(mask, generator) if number else object_square(mask)


def random_square(mask: Tensor, generator: random.Random) -> Rectangle:
    """A rectangle of 1.2 to 3 times the size of the object of mask [H,W], up to a sixth of that off its center.

    It is nearly square. Its aspect varies too: working views of low or narrow pictures are stretched.
    """
    box = bounding_box(foreground(mask))
    assert box is not None, "every photo of the set shows its object"
    top, bottom, left, right = box
    side = max(48, max(bottom - top, right - left) * generator.uniform(1.2, 3.0))
    stretch = math.exp(generator.gauss(0, 0.15))
    height, width = (
        min(round(length), limit) for length, limit in zip((side * stretch, side / stretch), mask.shape, strict=True)
    )
    y, x = (middle + generator.uniform(-1, 1) * side / 6 for middle in ((top + bottom) / 2, (left + right) / 2))
    top, left = (place(*axis) for axis in zip((y, x), (height, width), mask.shape, strict=True))
    return Rectangle(top, left, height, width)
