"""Batches to train the evaluator on: photographs recolored by degrees, and composites.

No human scored anything: how far a recoloring has moved the object's colors is its label. Versions of one photo share
its mask, its seams and its history, so what tells them apart can only be color.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import torch
from kornia.filters import gaussian_blur2d
from torch import Tensor
from torch.nn.functional import interpolate

from ...core.masks import bounding_box, foreground
from ...data.recoloring.extremes import EXTREMES
from ...data.recoloring.lab import (
    FULL_STRENGTH,
    Tones,
    jitter,
    join_tones,
    label_of,
    mean_distance,
    probe,
    recolor_by_degrees,
    region_statistics,
    to_lab,
    transfer,
)
from ..crops import Crops, batch_seed, with_moved_edge

COMPOSITE_LABEL = 0.25  # of an untouched composite; less would leave no room for worse versions of it
SELF_MADE = 0.5  # share of the composites that are put together here, of two natural photos
VERSIONS = 2  # of a photo in a batch
UNTOUCHED = 0.6  # share of the first versions that are the photo itself
ABSURD = 0.15  # share of the photos whose last version is an edit that no one would call natural
ABSURD_PACE = 2.0  # of the fall of its label with the distance, over that of a recoloring's


class VersionSampler:
    """Endless batches of photos in several versions, from precomputed squares; its state is a seed and a step."""

    def __init__(self, crops: Crops, weights: Tensor, seed: int) -> None:
        """`weights` [N]: how often each square is drawn, against the others."""
        self.crops, self.weights, self.seed = crops, weights, seed

    def batch(self, step: int, groups: int) -> tuple[Tensor, Tensor]:
        """`groups` photos in VERSIONS versions each: inputs [groups*VERSIONS,4,S,S] and soft labels in 0-1."""
        generator = torch.Generator().manual_seed(batch_seed(self.seed, step))
        rows = torch.multinomial(self.weights, groups, replacement=True, generator=generator)
        inputs, labels = zip(*(self.versions(row, generator) for row in rows.tolist()), strict=True)
        return torch.cat(inputs), torch.cat(labels)

    def versions(self, row: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """One photo's inputs [VERSIONS,4,S,S] and soft labels [VERSIONS]."""
        raise NotImplementedError


class Sampler(VersionSampler):
    """Photos recolored by degrees, and composites."""

    def __init__(self, crops: Crops, seed: int) -> None:
        pairs = list(zip(crops.objects, crops.natural.tolist(), strict=True))
        kinds, objects = Counter(pairs), Counter(crops.objects)
        # Kinds of object as they come, and natural and composite alike often for each: a name shall tell nothing.
        weights = torch.tensor([objects[name] / kinds[name, natural] for name, natural in pairs])
        super().__init__(crops, weights, seed)
        self.others: dict[str, list[int]] = {name: [] for name in objects}
        for row, name in enumerate(crops.objects):
            self.others[name].append(row)
        self.shapes = [edges_touched(mask) for mask in crops.masks]
        looks = [
            region_statistics(to_lab(probe(images).float() / 255), probe(masks).float() / 255)
            for images, masks in zip(crops.images.split(256), crops.masks.split(256), strict=True)
        ]
        self.means, self.deviations = (torch.cat(values) for values in zip(*looks, strict=True))

    def versions(self, row: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """One photo's inputs [VERSIONS,4,S,S] and soft labels [VERSIONS]: often itself first, then recolored.

        Half the time all are recolored in one direction, else each in its own.
        """
        untouched, one_way, self_made = torch.rand(3, generator=generator).tolist()
        natural = bool(self.crops.natural[row])
        image, mask = self.crops.squares([row]) if natural or self_made > SELF_MADE else self._pasted(row, generator)
        ways = [self._tones(image, mask, row, generator) for _ in range(1 if one_way < 0.5 else VERSIONS)]
        wanted = torch.rand(VERSIONS, generator=generator) * FULL_STRENGTH
        if untouched < UNTOUCHED:
            wanted[0] = 0
        images, reached = recolor_by_degrees(image, mask, join_tones(ways), wanted)
        if torch.rand((), generator=generator) < ABSURD:
            images[-1:], reached[-1:] = _absurd(image, mask, generator)
        labels = (1.0 if natural else COMPOSITE_LABEL) * label_of(reached)
        images, mask = augment(images, mask, generator)
        return torch.cat((images * 2 - 1, mask.expand(VERSIONS, -1, -1, -1)), dim=1), labels

    def _pasted(self, row: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """A composite of two natural photos whose objects are of this row's kind and touch the same edges."""
        crops = self.crops
        candidates = [i for i in self.others[crops.objects[row]] if crops.natural[i]]
        if not candidates:
            return crops.squares([row])
        onto = _choose(candidates, generator)
        alike = [i for i in candidates if self.shapes[i] == self.shapes[onto] and crops.ids[i] != crops.ids[onto]]
        if not alike:
            return crops.squares([row])
        return paste(*crops.squares([onto]), *crops.squares([_choose(alike, generator)]))

    def _tones(self, image: Tensor, mask: Tensor, row: int, generator: torch.Generator) -> Tones:
        """Half the time another's look of the same kind of object, else jitter."""
        look = region_statistics(to_lab(probe(image)), probe(mask))
        if torch.rand((), generator=generator) < 0.5:
            other = _choose(self.others[self.crops.objects[row]], generator)
            return transfer(*look, self.means[other, None], self.deviations[other, None])
        return jitter(look[0], torch.randn((1, 5, 1, 1), generator=generator))


def _absurd(image: Tensor, mask: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """An absurd version of a photo [1,3,S,S], and the distance [1] that its label is for."""
    extreme = list(EXTREMES.values())[int(torch.randint(len(EXTREMES), (1,), generator=generator))]
    made = extreme(image, torch.rand((1, 1, 1, 1), generator=generator))
    return torch.lerp(image, made, mask), ABSURD_PACE * mean_distance(image, made, mask)


def edges_touched(mask: Tensor) -> str:
    """Which edges of the square an object [1,S,S] uint8 touches: "tblr", those it does not as "-"."""
    sides = mask[0, 0], mask[0, -1], mask[0, :, 0], mask[0, :, -1]
    return "".join(name if side.max() > 127 else "-" for name, side in zip("tblr", sides, strict=True))


def paste(image: Tensor, mask: Tensor, other: Tensor, other_mask: Tensor) -> tuple[Tensor, Tensor]:
    """Another's object in place of the image's, stretched to its bounding box; images [1,3,S,S], masks [1,1,S,S]."""
    here, there = (bounding_box(foreground(plane[0, 0])) for plane in (mask, other_mask))
    if here is None or there is None:
        return image, mask
    top, bottom, left, right = here
    object_ = torch.cat((other, other_mask), dim=1)[..., there[0] : there[1], there[2] : there[3]]
    patch = interpolate(object_, (bottom - top, right - left), mode="bilinear", align_corners=False)
    image, plane = image.clone(), torch.zeros_like(mask)
    box = (..., slice(top, bottom), slice(left, right))
    image[box] = torch.lerp(image[box], patch[:, :3], patch[:, 3:])
    plane[box] = patch[:, 3:]
    return image, plane


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
    mask = with_moved_edge(mask, edge)
    return (images.flip(-1), mask.flip(-1)) if mirrors < 0.5 else (images, mask)


def _choose(rows: Sequence[int], generator: torch.Generator) -> int:
    return rows[int(torch.randint(len(rows), (1,), generator=generator))]
