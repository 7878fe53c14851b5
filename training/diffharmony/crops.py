"""The squares of photographs that the embedded DiffHarmony learns from."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from torch import Tensor

from ...core.view import cut
from ...data.photos import Photo
from ...mini.diffharmony.unet import SIZE
from ..crops import Crops, collect_crops
from ..evaluator.crops import SHARES, object_square, random_square


def cut_crops(photos: Sequence[Photo], per_photo: int, generator: random.Random) -> Crops:
    """Squares about the object, the first as the working view cuts it, the others larger or smaller and off center.

    Args:
        photos: natural ones.
        per_photo: squares of each photo; those that are nearly all object or hold hardly any are left out.
        generator: of the squares' places.

    Raises:
        ValueError: when no square is left.
    """

    def squares(image: Tensor, mask: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        for index in range(per_photo):
            square = object_square(mask) if index == 0 else random_square(mask, generator)
            pixels, plane = cut(image[None], mask[None], square, SIZE)
            if SHARES[0] < plane.mean() < SHARES[1]:
                yield pixels.movedim(-1, 1), plane[:, None]

    return collect_crops(photos, squares)
