"""Training samples: square crops of photographs with their object's mask, recolored, and captions that say how.

The caption's words name the object's look *after* a recoloring, so words and looks stay tied at every extreme. Most of
the recolorings touch the object alone: that ties its words to its own region. A change by chance moves light and hue
more than color strength and contrast, so a part of the objects is recolored towards the look of words drawn from
every axis alike.

An edit asks for what the picture does not show. Words that always agree with the picture are soon overruled by it: as
soon as texture shows through the noise, it tells how strong colors and contrast are. So the network sees many of the
aimed recolorings half done or overdone, and is to make of them what the words name.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import fields

import torch
from kornia.filters import gaussian_blur2d
from torch import Tensor

from ...data.recoloring.lab import Spread, Tones, jitter, recolor, region_mean, to_lab
from ...description.statistics.appearance import AXES
from ...description.statistics.norms import Norms
from ...description.statistics.words import LEVELS, SPELLED_OUT, matching_compounds, offset_of, words_for
from ..crops import Crops, batch_seed
from .looks import object_looks

EMPTY_CAPTION, GENERIC_NAME = 0.1, 0.2
RECOLOR = {"none": 0.1, "everything": 0.1, "object": 0.25, "aimed": 0.55}
CONTRADICTED = 0.6  # share of the aimed recolorings that are not seen as far as they go
SEEN = (0.0, 1.5)  # how far they are: a part, or too far, else the network would never learn when it is enough
TERSE = 0.5  # share of these whose caption has the aimed words alone
SPREAD = Spread(shift=(11.0, 4.5, 9.0), log_contrast=0.25, log_chroma=0.35)
AIMED_WORDS = (1, 4)  # of different axes, that an aimed recoloring is told
EXTENT = (0.7, 1.5)  # how far it goes, as a multiple of what its words say
GAIN = (0.3, 3.0)  # the least and the greatest change of contrast and of color strength


def random_tones(images: Tensor, region: Tensor, generator: torch.Generator) -> Tones:
    """Random shift and gain in Lab about what `region` [B,1,H,W] shows; images [B,3,H,W] in 0-1."""
    contrast, chroma, *shift = (torch.randn((len(images), 1, 1), generator=generator) for _ in range(5))
    normal = torch.stack((*shift, contrast, chroma), dim=1)
    return jitter(region_mean(to_lab(images), region), normal, SPREAD)


def tones_towards(looks: Tensor, aimed: Tensor, asked: Tensor) -> Tones:
    """What gives objects a look. An axis that is not asked for stays, but for what the others take along.

    Args:
        looks: of the objects now, [B,5] along AXES in Lab units.
        aimed: the looks that they shall have, [B,5].
        asked: the axes to change, [B,5].
    """
    now, then = (dict(zip(AXES, each.T, strict=True)) for each in (looks, torch.where(asked, aimed, looks)))
    contrast, chroma = (
        (then[axis].clamp_min(0) / now[axis].clamp_min(1)).clamp(*GAIN) for axis in ("contrast", "chroma")
    )
    hues = [(then[axis] - now[axis] * chroma) * asked[:, AXES.index(axis)] for axis in ("red_green", "yellow_blue")]
    gray = torch.zeros_like(chroma)
    center, gain, shift = (
        torch.stack(each, dim=1)[:, :, None, None]
        for each in (
            (now["lightness"], gray, gray),
            (contrast, chroma, chroma),
            (then["lightness"] - now["lightness"], *hues),
        )
    )
    return Tones(center=center, gain=gain, target=center, shift=shift)


def caption(name: str, offset: Tensor, generator: random.Random) -> str:
    """Object first, then words of its look, now and then not all; sometimes a generic name or nothing at all.

    Words of several axes come only where the text encoder reads them as they are, such as "city".
    """
    if generator.random() < EMPTY_CAPTION:
        return ""
    words = list(words_for(offset))
    compounds = [word for word in matching_compounds(offset) if word not in SPELLED_OUT]
    if compounds and generator.random() < 0.3:
        words.insert(0, generator.choice(compounds))
    if len(words) > 1 and generator.random() < 0.35:
        words.remove(generator.choice(words))
    if generator.random() < GENERIC_NAME:
        name = "object"
    return " ".join((name, *words))


def draw_aim(generator: random.Random) -> Tensor:
    """A look [5] along AXES that a few words name, each of another axis; 0 on the axes that nothing is said of."""
    axes = generator.sample(sorted(LEVELS), generator.randint(*AIMED_WORDS))
    return offset_of([generator.choice(LEVELS[axis])[1] for axis in axes]) * generator.uniform(*EXTENT)


class Sampler:
    """Endless batches from precomputed crops; state is a seed and a step."""

    def __init__(self, crops: Crops, norms: Norms, seed: int) -> None:
        self.crops, self.norms, self.seed = crops, norms, seed
        # A small square has less contrast than the photos behind the norms: what is usual is measured on the squares.
        rows = crops.natural.nonzero()[:, 0]
        self.usual_offset = torch.zeros(len(AXES))
        self.usual_offset = self.offsets(*crops.squares(rows), [crops.objects[row] for row in rows.tolist()]).mean(0)

    def batch(self, step: int, size: int) -> tuple[Tensor, Tensor, Tensor, list[str]]:
        """(images [B,3,64,64] in 0-1, what is seen of them, their objects' masks [B,1,64,64], captions)"""
        generator = torch.Generator().manual_seed(batch_seed(self.seed, step))
        dice = random.Random(batch_seed(self.seed, step))
        rows = torch.randint(len(self.crops.objects), (size,), generator=generator)
        images, masks = self.crops.squares(rows)
        flip = torch.rand(size, generator=generator) < 0.5
        images[flip], masks[flip] = images[flip].flip(-1), masks[flip].flip(-1)
        names = [self.crops.objects[row] for row in rows.tolist()]
        kinds = dice.choices(list(RECOLOR), weights=list(RECOLOR.values()), k=size)
        aims = torch.stack([draw_aim(dice) if kind == "aimed" else torch.zeros(len(AXES)) for kind in kinds])
        soft = gaussian_blur2d(masks, (3, 3), (0.7, 0.7))
        region = torch.stack(
            [
                {"none": torch.zeros_like(mask), "everything": torch.ones_like(mask)}.get(kind, mask)
                for kind, mask in zip(kinds, soft, strict=True)
            ]
        )
        choices = self._tones_towards(aims, images, masks, names), random_tones(images, region, generator)
        made = recolor(images, region, choose(torch.tensor([kind == "aimed" for kind in kinds]), *choices))
        offsets = self.offsets(made, masks, names)
        contradicted = [kind == "aimed" and dice.random() < CONTRADICTED for kind in kinds]
        seen = torch.tensor([dice.uniform(*SEEN) if other else 1.0 for other in contradicted])
        captions = [
            caption(name, aim if other and dice.random() < TERSE else offset, dice)
            for name, aim, offset, other in zip(names, aims, offsets, contradicted, strict=True)
        ]
        return made, torch.lerp(images, made, seen[:, None, None, None]).clamp(0, 1), masks, captions

    def offsets(self, images: Tensor, masks: Tensor, names: Sequence[str]) -> Tensor:
        """How far objects [B,5] look from what is usual, in units of the norms' scale."""
        looks = object_looks(images, masks)
        return torch.stack([self.norms.offset(*each) for each in zip(names, looks, strict=True)]) - self.usual_offset

    def _tones_towards(self, aims: Tensor, images: Tensor, masks: Tensor, names: Sequence[str]) -> Tones:
        looks = object_looks(images, masks)
        aimed = looks + (aims - self.offsets(images, masks, names)) * self.norms.scale
        return tones_towards(looks, aimed, aims != 0)


def choose(first: Tensor, some: Tones, others: Tones) -> Tones:
    """Row by row, `some` where `first` [B] is true, else `others`."""
    where = first[:, None, None, None]
    return Tones(
        **{
            field.name: torch.where(where, getattr(some, field.name), getattr(others, field.name))
            for field in fields(Tones)
        }
    )
