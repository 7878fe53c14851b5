"""What the evaluator learns from: photographs with their object's mask, recolored by degrees, and real composites.

No human scored anything: how far a recoloring has moved the object's colors is its label. Versions of one photo share
its mask, its seams and its history, so what tells them apart can only be color.
"""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal

import torch
from kornia.color import rgb_to_lab
from kornia.filters import gaussian_blur2d
from torch import Tensor
from torch.nn.functional import avg_pool2d, max_pool2d

from ..benchmarks.photos import Photo, read_photos
from ..diffusion.masks import THRESHOLD, bounding_box
from ..diffusion.view import Window, cut
from .model import place, square_window
from .networks import SIDE
from .recoloring import FULL_STRENGTH, Tones, jitter, label_of, probe, recolor, region_statistics, transfer

SPLITS = Path(__file__).with_name("splits.json")
COMPOSITE_LABEL = 0.25  # of an untouched real composite; less would leave no room for worse versions of it
VERSIONS = 2  # of a photo in a batch
UNTOUCHED = 0.6  # share of the first versions that are the photo itself

Split = Literal["train", "held_back"]


@cache
def split_ids() -> dict[str, list[str]]:
    """Ids of the photos held back from training, of both kinds, and of near-duplicates of them."""
    return json.loads(SPLITS.read_text())


def read_split(folder: Path, split: Split) -> list[Photo]:
    """Photos of both kinds. "train" leaves out what this module or the benchmarks hold back, and near-duplicates."""
    photos, ids = read_photos(folder, "train"), split_ids()
    if split == "held_back":
        return [photo for photo in photos if photo.id in set(ids["held_back"])]
    left_out = {*ids["held_back"], *ids["duplicates"]}
    return [photo for photo in photos if photo.id not in left_out]


@dataclass(frozen=True)
class Crops:
    """Precomputed squares as uint8: images [N,3,S,S] and masks [N,1,S,S]; what they are, a row each."""

    images: Tensor
    masks: Tensor
    natural: Tensor  # [N], bool
    objects: list[str]

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
            window = square_window(mask[0]) if index == 0 else random_window(mask[0], generator)
            pixels, plane = cut(image, mask, window, SIDE)
            if not 0.02 < plane.mean() < 0.95:
                continue
            for values, into in ((pixels.movedim(-1, 1), images), (plane[:, None], masks)):
                into.append((avg_pool2d(values, reduction) * 255).round().byte())
            kept.append(photo)
    if not kept:
        raise ValueError(f"The {len(photos)} photos give no square with a fair share of object and of background.")
    natural = torch.tensor([photo.natural for photo in kept])
    return Crops(torch.cat(images), torch.cat(masks), natural, [photo.object for photo in kept])


def random_window(mask: Tensor, generator: random.Random) -> Window:
    """A window of 1.2 to 3 times the size of the object of mask [H,W], up to a sixth of that off its center.

    Its aspect varies too: working views of low or narrow pictures are stretched.
    """
    box = bounding_box(mask > THRESHOLD)
    assert box is not None, "every photo of the set shows its object"
    top, bottom, left, right = box
    side = max(48, max(bottom - top, right - left) * generator.uniform(1.2, 3.0))
    stretch = math.exp(generator.gauss(0, 0.15))
    height, width = (
        min(round(length), limit) for length, limit in zip((side * stretch, side / stretch), mask.shape, strict=True)
    )
    y, x = (middle + generator.uniform(-1, 1) * side / 6 for middle in ((top + bottom) / 2, (left + right) / 2))
    return Window(*(place(*axis) for axis in zip((y, x), (height, width), mask.shape, strict=True)), height, width)


class Sampler:
    """Endless batches from precomputed squares; its state is a seed and a step."""

    def __init__(self, crops: Crops, seed: int) -> None:
        self.crops, self.seed = crops, seed
        pairs = list(zip(crops.objects, crops.natural.tolist(), strict=True))
        kinds, objects = Counter(pairs), Counter(crops.objects)
        # Kinds of object as they come, and natural and composite alike often for each: a name shall tell nothing.
        self.weights = torch.tensor([objects[name] / kinds[name, natural] for name, natural in pairs])
        self.others = {
            name: torch.tensor([i for i, other in enumerate(crops.objects) if other == name]) for name in objects
        }
        looks = [
            region_statistics(rgb_to_lab(probe(images).float() / 255), probe(masks).float() / 255)
            for images, masks in zip(crops.images.split(256), crops.masks.split(256), strict=True)
        ]
        self.means, self.deviations = (torch.cat(values) for values in zip(*looks, strict=True))

    def batch(self, step: int, groups: int) -> tuple[Tensor, Tensor]:
        """`groups` photos in VERSIONS versions each: inputs [groups*VERSIONS,4,S,S] and soft labels in 0-1."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        rows = torch.multinomial(self.weights, groups, replacement=True, generator=generator)
        inputs, labels = zip(*(self.versions(row, generator) for row in rows.tolist()), strict=True)
        return torch.cat(inputs), torch.cat(labels)

    def versions(self, row: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """One photo's inputs [VERSIONS,4,S,S] and soft labels [VERSIONS]: often itself first, then recolored.

        Half the time all are recolored in one direction, else each in its own.
        """
        image, mask = (x[row, None].float() / 255 for x in (self.crops.images, self.crops.masks))
        untouched, one_way = torch.rand(2, generator=generator).tolist()
        ways = [self._tones(row, generator) for _ in range(1 if one_way < 0.5 else VERSIONS)]
        tones = Tones(torch.cat([way.gain for way in ways]), torch.cat([way.offset for way in ways]))
        wanted = torch.rand(VERSIONS, generator=generator) * FULL_STRENGTH
        if untouched < UNTOUCHED:
            wanted[0] = 0
        images, reached = recolor(image, mask, tones, wanted)
        best = 1.0 if self.crops.natural[row] else COMPOSITE_LABEL
        images, mask = augment(images, mask, generator)
        return torch.cat((images * 2 - 1, mask.expand(VERSIONS, -1, -1, -1)), dim=1), best * label_of(reached)

    def _look(self, row: int) -> tuple[Tensor, Tensor]:
        return self.means[row, None], self.deviations[row, None]

    def _tones(self, row: int, generator: torch.Generator) -> Tones:
        """Half the time another's look of the same kind of object, else jitter."""
        pool = self.others[self.crops.objects[row]]
        transfers, other = torch.rand(2, generator=generator).tolist()
        if transfers < 0.5:
            there = int(pool[int(other * len(pool))])
            return transfer(*self._look(row), *self._look(there))
        return jitter(self._look(row)[0], generator)


def augment(images: Tensor, mask: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Change all versions of a photo alike: toned as a whole, softened, the mask's edge moved, mirrored.

    images: [V,3,H,W] in 0-1, mask: [1,1,H,W].
    """
    saturation, contrast, lightness, *tint = torch.randn(6, generator=generator).tolist()
    tones, blurs, edge, mirrors = torch.rand(4, generator=generator).tolist()
    if tones < 0.7:
        gray = images.mean(1, keepdim=True)
        images = gray + (images - gray) * math.exp(0.2 * saturation)
        shift = 0.5 + 0.06 * lightness + 0.03 * torch.tensor(tint)[:, None, None]
        images = ((images - 0.5) * math.exp(0.1 * contrast) + shift).clamp(0, 1)
    if blurs < 0.4:
        images = gaussian_blur2d(images, (3, 3), (0.6, 0.6))
    if edge < 0.2:
        mask = max_pool2d(mask, 3, 1, 1)  # wider
    elif edge < 0.4:
        mask = -max_pool2d(-mask, 3, 1, 1)
    elif edge < 0.6:
        mask = gaussian_blur2d(mask, (5, 5), (1.2, 1.2))
    return (images.flip(-1), mask.flip(-1)) if mirrors < 0.5 else (images, mask)
