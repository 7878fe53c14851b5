"""Batches to train the routed harmonizer on: photographs whose object was recolored, from hardly to badly.

The network sees the recolored picture with what files do to pictures; its transform is applied to the clean one, and
compared with the clean photo.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import torch
from torch import Tensor

from ...data.recoloring.degradation import degrade
from ...data.recoloring.families import FAMILIES, GRADES, towards_look
from ...data.recoloring.lab import region_statistics, to_lab
from ..crops import Crops, batch_seed, with_moved_edge
from .crops import SEGMENT

LOOK = "another's look"
SHARES = {
    LOOK: 0.28,
    "lab jitter": 0.22,
    "gamma and gains": 0.14,
    "exposure and white balance": 0.14,
    "curves": 0.08,
    "smooth lut": 0.04,
    "local light": 0.10,
}
SECOND = 0.2  # share of the pictures that a second family changes too, at half the strength
MOST_STRENGTH = 1.7  # strengths are drawn evenly from 0 to this
# Share of the photos that are graded as a whole first, and the most strength. The second, for networks that propose for
# photos that they have not seen, is to keep them from knowing their own by heart.
GRADED, MUCH_GRADED = (0.6, 1.25), (0.9, 1.4)
OBJECTS = 0.7  # share of the squares around named objects; the others are around parts of photos


@dataclass(frozen=True)
class Batch:
    """What the network sees, and what its transform is held against; squares [B,C,S,S] in 0-1."""

    seen: Tensor
    seen_mask: Tensor
    importance: Tensor
    composite: Tensor
    mask: Tensor
    truth: Tensor


class Sampler:
    """Endless batches from precomputed squares; its state is a seed and a step."""

    def __init__(self, crops: Crops, seed: int, graded: tuple[float, float] = GRADED) -> None:
        self.crops, self.seed, self.graded = crops, seed, graded
        named = torch.tensor([name != SEGMENT for name in crops.objects])
        self.weights = torch.where(named, OBJECTS / named.sum(), (1 - OBJECTS) / (~named).sum().clamp_min(1))
        self.alike: dict[str, list[int]] = {name: [] for name in crops.objects}
        for row, name in enumerate(crops.objects):
            self.alike[name].append(row)

    def batch(self, step: int, size: int) -> Batch:
        """`size` squares."""
        generator = torch.Generator().manual_seed(batch_seed(self.seed, step))
        dice = random.Random(batch_seed(self.seed, step))
        rows = torch.multinomial(self.weights, size, replacement=True, generator=generator)
        truth, planes = self.crops.squares(rows)
        flip = torch.rand(size, generator=generator) < 0.5
        truth[flip], planes[flip] = truth[flip].flip(-1), planes[flip].flip(-1)
        mask, importance = planes[:, :1], planes[:, 1:]
        truth = _graded(truth, self.graded, generator, dice)
        composite = self._recolored(truth, mask, rows, generator, dice)
        seen = torch.stack([degrade(image, generator) for image in composite])
        seen_mask = torch.cat([with_moved_edge(plane[None], dice.random()) for plane in mask])
        return Batch(seen, seen_mask, importance, composite, mask, truth)

    def _recolored(
        self, image: Tensor, mask: Tensor, rows: Tensor, generator: torch.Generator, dice: random.Random
    ) -> Tensor:
        strength = MOST_STRENGTH * torch.rand((len(image), 1, 1, 1), generator=generator)
        kinds = dice.choices(list(SHARES), weights=list(SHARES.values()), k=len(image))
        changed = self._changed(image, mask, rows, kinds, strength, generator, dice)
        seconds = [dice.choice(list(FAMILIES)) if dice.random() < SECOND else None for _ in kinds]
        changed = self._changed(changed, mask, rows, seconds, strength / 2, generator, dice)
        return torch.lerp(image, changed, mask)

    def _changed(
        self,
        image: Tensor,
        mask: Tensor,
        rows: Tensor,
        kinds: list[str] | list[str | None],
        strength: Tensor,
        generator: torch.Generator,
        dice: random.Random,
    ) -> Tensor:
        """Each picture changed as a whole by its kind of recoloring; None leaves it."""
        out = image.clone()
        for kind in dict.fromkeys(kinds):
            chosen = [index for index, own in enumerate(kinds) if own == kind]
            parts = image[chosen], mask[chosen], strength[chosen]
            if kind == LOOK:
                out[chosen] = towards_look(*parts, *self._looks(rows[chosen].tolist(), dice))
            elif kind is not None:
                out[chosen] = FAMILIES[kind](*parts, generator)
        return out

    def _looks(self, rows: list[int], dice: random.Random) -> tuple[Tensor, Tensor]:
        """Mean and deviation of another object for each row: half the time one of its kind, else any."""
        anything = range(len(self.crops.objects))
        others = [dice.choice(self.alike[self.crops.objects[row]] if dice.random() < 0.5 else anything) for row in rows]
        images, planes = self.crops.squares(others)
        return region_statistics(to_lab(images), planes[:, :1])


def _graded(image: Tensor, graded: tuple[float, float], generator: torch.Generator, dice: random.Random) -> Tensor:
    """Photos [B,3,S,S], some of which are graded as a whole: scenes at dusk, in snow, under neon."""
    everything, (share, most) = torch.ones_like(image[:, :1]), graded
    strength = most * torch.rand((len(image), 1, 1, 1), generator=generator)
    strength *= torch.tensor([dice.random() < share for _ in image])[:, None, None, None]
    kinds = dice.choices(GRADES, k=len(image))
    out = image.clone()
    for kind in GRADES:
        chosen = [index for index, own in enumerate(kinds) if own == kind]
        if chosen:
            out[chosen] = FAMILIES[kind](image[chosen], everything[chosen], strength[chosen], generator)
    return out
