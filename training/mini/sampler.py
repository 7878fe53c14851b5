"""Training samples: square crops of photographs with their object's mask, recolored, and captions that say how.

The caption's words name the object's look *after* a random recoloring, so words and looks stay tied at every
extreme. Most of the recolorings touch the object alone: that ties its words to its own region.
"""

from __future__ import annotations

import random

import torch
from kornia.filters import gaussian_blur2d
from torch import Tensor

from ...data.recoloring.lab import Spread, jitter, recolor, region_mean, to_lab
from ...description.statistics.appearance import region_appearance
from ...description.statistics.norms import Norms
from ...description.statistics.words import matching_compounds, words_for
from ..crops import Crops, batch_seed

EMPTY_CAPTION = 0.1
RECOLOR = {"none": 0.15, "everything": 0.2, "object": 0.65}
SPREAD = Spread(shift=(11.0, 4.5, 9.0), log_contrast=0.25, log_chroma=0.35)


def recolor_at_random(images: Tensor, region: Tensor, generator: torch.Generator) -> Tensor:
    """Random shift and gain in Lab inside `region` [B,1,H,W]; images [B,3,H,W] in 0-1."""
    contrast, chroma, *shift = (torch.randn((len(images), 1, 1), generator=generator) for _ in range(5))
    normal = torch.stack((*shift, contrast, chroma), dim=1)
    return recolor(images, region, jitter(region_mean(to_lab(images), region), normal, SPREAD))


def caption(name: str, offset: Tensor, generator: random.Random) -> str:
    """Object first, then the words of its look; sometimes a compound word, a generic name or nothing at all."""
    if generator.random() < EMPTY_CAPTION:
        return ""
    words = list(words_for(offset))
    compounds = matching_compounds(offset)
    if compounds and generator.random() < 0.3:
        words.insert(0, generator.choice(compounds))
    if len(words) > 1 and generator.random() < 0.2:
        words.pop()
    if generator.random() < 0.1:
        name = "object"
    return " ".join((name, *words))


class Sampler:
    """Endless batches from precomputed crops; state is a seed and a step."""

    def __init__(self, crops: Crops, norms: Norms, seed: int) -> None:
        self.crops, self.norms, self.seed = crops, norms, seed

    def batch(self, step: int, size: int) -> tuple[Tensor, Tensor, list[str]]:
        """(images [B,3,64,64] in 0-1, their objects' masks [B,1,64,64], captions)"""
        generator = torch.Generator().manual_seed(batch_seed(self.seed, step))
        dice = random.Random(batch_seed(self.seed, step))
        rows = torch.randint(len(self.crops.objects), (size,), generator=generator)
        images, masks = self.crops.squares(rows)
        flip = torch.rand(size, generator=generator) < 0.5
        images[flip], masks[flip] = images[flip].flip(-1), masks[flip].flip(-1)
        kinds = dice.choices(list(RECOLOR), weights=list(RECOLOR.values()), k=size)
        soft = gaussian_blur2d(masks, (3, 3), (0.7, 0.7))
        region = torch.stack(
            [
                {"none": torch.zeros_like(s), "everything": torch.ones_like(s), "object": s}[k]
                for k, s in zip(kinds, soft, strict=True)
            ]
        )
        images = recolor_at_random(images, region, generator)
        looks = region_appearance(images.movedim(1, -1), (masks[:, 0] > 0.5).float() + 1e-4)
        names = [self.crops.objects[row] for row in rows.tolist()]
        captions = [caption(name, self.norms.offset(name, look), dice) for name, look in zip(names, looks, strict=True)]
        return images, masks, captions
