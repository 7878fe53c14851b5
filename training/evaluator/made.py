"""Batches of composites that an inverse model made, in place of recolorings: what DiffHarmony++ would judge by."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from ...core.view import cut
from ...data.pairs import Pair
from ...data.recoloring.lab import label_of, mean_distance
from ...evaluator.networks import SIDE
from ..crops import Crops, as_bytes
from .crops import SHARES, squares_about
from .sampler import COMPOSITE_LABEL, UNTOUCHED, VERSIONS, VersionSampler, augment


class MadeSampler(VersionSampler):
    """Photos from between true and as they were made, and composites: half of each."""

    def __init__(self, crops: Crops, seed: int) -> None:
        natural = crops.natural.float()
        weights = natural / natural.sum().clamp_min(1) + (1 - natural) / (1 - natural).sum().clamp_min(1)
        super().__init__(crops, weights, seed)

    def versions(self, row: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """One photo's inputs [VERSIONS,4,S,S] and soft labels [VERSIONS]: often itself first, then nearer to what was
        made of it. The label is that of a recoloring that moved the object as far.
        """
        image, planes = self.crops.squares([row])
        mask, made = planes[:, :1], planes[:, 1:]
        shares = torch.rand((VERSIONS, 1, 1, 1), generator=generator)
        if torch.rand((), generator=generator) < UNTOUCHED:
            shares[0] = 0
        images = torch.lerp(image.expand(VERSIONS, -1, -1, -1), made.expand(VERSIONS, -1, -1, -1), shares * mask)
        best = 1.0 if self.crops.natural[row] else COMPOSITE_LABEL
        labels = best * label_of(mean_distance(images, image, mask))
        images, mask = augment(images, mask, generator)
        return torch.cat((images * 2 - 1, mask.expand(VERSIONS, -1, -1, -1)), dim=1), labels


def made_crops(pairs: Iterable[Pair], composites: Crops, reduction: int, per_photo: int) -> Crops:
    """The squares of made pairs, and of pasted composites, which stay as they are.

    Args:
        pairs: of a photo and of what was made of it.
        composites: squares of both kinds; the natural ones are left out.
        reduction, per_photo: as for those.

    Returns:
        Squares whose masks have four channels: the object, and the picture that was made.

    Raises:
        ValueError: when there is no pair.
    """
    dice, images, planes, names = random.Random(0), [], [], []
    for pair in pairs:
        for image, plane in _squares(pair, reduction, per_photo, dice):
            images.append(as_bytes(image))
            planes.append(as_bytes(plane))
            names.append(pair.id)
    if not images:
        raise ValueError("The data set has no pair with a fair share of object and of background.")
    rows = [row for row, natural in enumerate(composites.natural.tolist()) if not natural]
    pasted = composites.images[rows]
    return Crops(
        torch.cat((*images, pasted)),
        torch.cat((*planes, torch.cat((composites.masks[rows], pasted), dim=1))),
        [*names, *(composites.objects[row] for row in rows)],
        torch.arange(len(images) + len(rows)) < len(images),
        [*names, *(composites.ids[row] for row in rows)],
    )


def _squares(pair: Pair, reduction: int, per_photo: int, dice: random.Random) -> Iterator[tuple[Tensor, Tensor]]:
    """Squares [1,3,S,S] of a photo, and [1,4,S,S] of its mask and of what was made of it, in 0-1."""
    pictures, masks = torch.stack((pair.truth, pair.composite)), pair.mask.expand(2, -1, -1)
    for square in squares_about(pair.mask, per_photo, dice):
        pixels, planes = cut(pictures, masks, square, SIDE)
        image, made = avg_pool2d(pixels.movedim(-1, 1), reduction).split(1)
        mask = avg_pool2d(planes[:1, None], reduction)
        if SHARES[0] < mask.mean() < SHARES[1]:
            yield image, torch.cat((mask, made), dim=1)
