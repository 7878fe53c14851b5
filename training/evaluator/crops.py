"""The squares of photographs that the evaluator learns from."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from ...core.masks import bounding_box, foreground
from ...core.view import Rectangle, cut
from ...data.photos import Photo
from ...evaluator.model import object_square, place
from ...evaluator.networks import SIDE


@dataclass(frozen=True)
class Crops:
    """Precomputed squares as uint8: images [N,3,S,S] and masks [N,1,S,S]; what they are, a row each."""

    images: Tensor
    masks: Tensor
    natural: Tensor  # [N], bool
    objects: list[str]
    ids: list[str]  # of their photos

    def halved(self) -> Crops:
        """The same squares at half the side."""
        images, masks = (avg_pool2d(x.float(), 2).round().byte() for x in (self.images, self.masks))
        return replace(self, images=images, masks=masks)


def cut_crops(photos: Sequence[Photo], reduction: int, per_photo: int, generator: random.Random) -> Crops:
    """Squares about the object, the first as the evaluator cuts it, the others larger or smaller and off center.

    Squares that are nearly all object or hold hardly any are left out. Raises ValueError when none is left.
    """
    images, masks, kept = [], [], []
    for photo in photos:
        image, mask = photo.image()[None], (photo.mask() > 0.5).float()[None]
        for index in range(per_photo):
            window = object_square(mask[0]) if index == 0 else random_window(mask[0], generator)
            pixels, plane = cut(image, mask, window, SIDE)
            if not 0.02 < plane.mean() < 0.95:
                continue
            for values, into in ((pixels.movedim(-1, 1), images), (plane[:, None], masks)):
                into.append((avg_pool2d(values, reduction) * 255).round().byte())
            kept.append(photo)
    if not kept:
        raise ValueError(f"The {len(photos)} photos give no square with a fair share of object and of background.")
    natural = torch.tensor([photo.natural for photo in kept])
    names, ids = [photo.object for photo in kept], [photo.id for photo in kept]
    return Crops(torch.cat(images), torch.cat(masks), natural, names, ids)


def random_window(mask: Tensor, generator: random.Random) -> Rectangle:
    """A window of 1.2 to 3 times the size of the object of mask [H,W], up to a sixth of that off its center.

    Its aspect varies too: working views of low or narrow pictures are stretched.
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
