"""The squares of photographs that the embedded model learns from."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from torch import Tensor
from torch.nn.functional import interpolate

from ...core.masks import bounding_box
from ...core.view import Rectangle, place
from ...data.photos import Photo
from ..crops import Crops, collect_crops

SIZE = 64
LEAST_SHARE = 0.01  # of the object in a square


def cut_crops(photos: Sequence[Photo], per_photo: int, generator: random.Random) -> Crops:
    """Random squares around the object, of once to thrice its size, as the working view will show it.

    Args:
        photos: of either kind.
        per_photo: squares of each photo; those whose object covers less than a hundredth are left out.
        generator: of the squares' places.

    Raises:
        ValueError: when no square is left.
    """

    def squares(image: Tensor, mask: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        planes = image.movedim(-1, 0)[None], mask[None, None]
        for _ in range(per_photo):
            square = random_square(mask, generator)
            pixels, plane = (interpolate(square.of(x), (SIZE, SIZE), mode="area") for x in planes)
            if plane.mean() >= LEAST_SHARE:
                yield pixels, plane

    return collect_crops(photos, squares)


def random_square(mask: Tensor, generator: random.Random) -> Rectangle:
    """A rectangle, nearly square, that holds the middle of the bounding box of mask [H,W]."""
    box = bounding_box(mask)
    assert box is not None, "every photo of the set shows its object"
    top, bottom, left, right = box
    side = max(48, round(max(bottom - top, right - left) * generator.uniform(1.0, 3.0)))
    height, width = min(side, mask.shape[0]), min(side, mask.shape[1])

    y, x = (
        (low + end - 1) / 2 + generator.uniform(-0.15, 0.15) * length
        for low, end, length in ((top, bottom, height), (left, right, width))
    )
    return Rectangle(place(y, height, mask.shape[0]), place(x, width, mask.shape[1]), height, width)
