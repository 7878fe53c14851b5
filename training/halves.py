"""Two halves of a photo set: what a network proposes for photos that it has not seen is wrong as it is for strangers'.

A network knows the photos that it learned from by heart. A judge that learns from its proposals for these learns that
they are right.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import interpolate, normalize

from ..data.photos import Photo

SMALL = 12  # pixels, the side of the pictures that are compared
ALIKE = 0.97  # correlation of these, from which on two photos are of one scene
SEED = 5


def halves(photos: Sequence[Photo]) -> tuple[list[Photo], list[Photo]]:
    """The photos in two halves of about one size, each in their order; near-duplicates are in one half.

    Args:
        photos: at least two scenes.

    Raises:
        ValueError: when all are of one scene.
    """
    scenes = _scenes(torch.stack([_small(photo) for photo in photos]))
    shuffled = sorted(set(scenes))
    if len(shuffled) < 2:
        raise ValueError(f"{len(photos)} photos of one scene have no halves: nothing could be tried on another scene.")
    random.Random(SEED).shuffle(shuffled)
    second = set(shuffled[1::2])
    rows = list(zip(photos, scenes, strict=True))
    return [photo for photo, scene in rows if scene not in second], [photo for photo, scene in rows if scene in second]


def _small(photo: Photo) -> Tensor:
    """A photo's colors on a coarse grid, without their mean, at length 1."""
    grid = interpolate(photo.image().movedim(-1, 0)[None], (SMALL, SMALL), mode="area").flatten()
    return normalize(grid - grid.mean(), dim=0)


def _scenes(small: Tensor) -> list[int]:
    """Of each row [N,C] the first row that it hangs together with, by a chain of rows that are alike."""
    scene = list(range(len(small)))

    def first(row: int) -> int:
        while scene[row] != row:
            row = scene[row]
        return row

    for row, other in (small @ small.T > ALIKE).triu(1).nonzero().tolist():
        low, high = sorted((first(row), first(other)))
        scene[high] = low
    return [first(row) for row in range(len(small))]
