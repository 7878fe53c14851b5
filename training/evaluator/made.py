"""Batches of composites that an inverse model made, in place of recolorings: what DiffHarmony++ would judge by."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from ...core.view import Rectangle, cut
from ...data.pairs import Pair
from ...data.recoloring.lab import label_of, mean_distance
from ...evaluator.model import object_square
from ...evaluator.networks import SIDE
from ..crops import Crops, batch_seed
from .crops import SHARES, random_square
from .sampler import COMPOSITE_LABEL, UNTOUCHED, VERSIONS, augment


class MadeSampler:
    """Endless batches of photos from between true and as they were made, and of composites; its state is a seed and a
    step.
    """

    def __init__(self, crops: Crops, seed: int) -> None:
        self.crops, self.seed = crops, seed
        natural = crops.natural.float()
        self.weights = natural / natural.sum().clamp_min(1) + (1 - natural) / (1 - natural).sum().clamp_min(1)

    def batch(self, step: int, groups: int) -> tuple[Tensor, Tensor]:
        """`groups` photos in VERSIONS versions each: inputs [groups*VERSIONS,4,S,S] and soft labels in 0-1."""
        generator = torch.Generator().manual_seed(batch_seed(self.seed, step))
        rows = torch.multinomial(self.weights, groups, replacement=True, generator=generator)
        inputs, labels = zip(*(self.versions(row, generator) for row in rows.tolist()), strict=True)
        return torch.cat(inputs), torch.cat(labels)

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
            images.append(image)
            planes.append(plane)
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
    """Squares [1,3,S,S] of a photo, and [1,4,S,S] of its mask and of what was made of it, as uint8."""
    for index in range(per_photo):
        square = object_square(pair.mask) if index == 0 else random_square(pair.mask, dice)
        image, made, mask = _shrunk(pair.truth, pair.composite, pair.mask, square, reduction)
        if SHARES[0] < mask.mean() < SHARES[1]:
            yield _bytes(image), _bytes(torch.cat((mask, made), dim=1))


def _shrunk(
    truth: Tensor, composite: Tensor, mask: Tensor, square: Rectangle, reduction: int
) -> tuple[Tensor, Tensor, Tensor]:
    pixels, planes = cut(torch.stack((truth, composite)), mask.expand(2, -1, -1), square, SIDE)
    image, made = avg_pool2d(pixels.movedim(-1, 1), reduction).split(1)
    return image, made, avg_pool2d(planes[:1, None], reduction)


def _bytes(values: Tensor) -> Tensor:
    return (values * 255).round().byte()
