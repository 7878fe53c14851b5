"""Composite-truth pairs: built from photographs by recoloring their object, or read from a folder.

A folder holds composites/ID.png, masks/ID.png, truths/ID.png and index.csv with the columns id and object.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from kornia.color import linear_rgb_to_rgb, rgb_to_linear_rgb
from torch import Tensor

from .composites import Pasted, require_object
from .photos import Photo, read_image, read_index, read_mask
from .recoloring.lab import Tones, jitter, pixel_statistics, recolor, to_lab, transfer

# How an object is recolored. "looks": another object's look, or other tones, in Lab. "light": another exposure, white
# balance and tone curve in linear light, as another camera and another hour give.
Recipe = Literal["looks", "light"]
STOPS, TEMPERATURE, TINT, CURVE = 1.3, 0.45, 0.2, 0.4  # the most of each, in stops; the curve's in powers of two
MIDDLE_GRAY = 0.18  # in linear light; the curve leaves it


@dataclass(frozen=True)
class Pair(Pasted):
    """A composite and the picture it should become."""

    truth: Tensor  # [H,W,3], sRGB in 0-1

    @property
    def foreground_ratio(self) -> float:
        return self.mask.mean().item()


def build_pairs(photos: Sequence[Photo], seed: int = 0, recipe: Recipe = "looks") -> Iterator[Pair]:
    """A pair of each photo: its object recolored is the composite, the photo itself the truth.

    Args:
        photos: with the recipe "looks", every second, from the first, takes the look of the same kind of object in
            another of them; the others, and objects without a second of their kind, have their tones changed at random.
        seed: of the choices.
        recipe: how objects are recolored.

    Returns:
        Pairs in the order of the photos, one at a time. Colors are rounded to 8 bits, as files hold them.
    """
    composites = _other_looks(photos, seed) if recipe == "looks" else _other_light(photos, seed)
    for photo, composite in zip(photos, composites, strict=True):
        rounded = (composite * 255).round() / 255
        yield Pair(photo.id, photo.object, rounded, photo.foreground(), photo.image())


def _other_looks(photos: Sequence[Photo], seed: int) -> Iterator[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    for index, photo in enumerate(photos):
        truth, mask = photo.image(), photo.foreground()
        others = [other for other in photos if other.object == photo.object and other.id != photo.id]
        normal = torch.randn(5, generator=generator)
        choice = int(torch.randint(1 << 30, (1,), generator=generator))
        if index % 2 == 0 and others:
            other = others[choice % len(others)]
            yield transfer_statistics(truth, mask, other.image(), other.foreground())
        else:
            yield jitter_tone(truth, mask, normal)


def _other_light(photos: Sequence[Photo], seed: int) -> Iterator[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    for photo in photos:
        even = torch.rand(4, generator=generator) * 2 - 1
        yield relight(photo.image(), photo.foreground(), even)


def transfer_statistics(image: Tensor, mask: Tensor, other: Tensor, other_mask: Tensor) -> Tensor:
    """The image [H,W,3] with the object's mean and deviation in Lab set to those of another image's object."""
    image, mask = channels_first(image, mask)
    other, other_mask = channels_first(other, other_mask)
    look, other_look = (pixel_statistics(to_lab(x), where) for x, where in ((image, mask), (other, other_mask)))
    return _recolored(image, mask, transfer(*look, *other_look))


def jitter_tone(image: Tensor, mask: Tensor, normal: Tensor) -> Tensor:
    """The image [H,W,3] with its object's tones moved by five standard normal numbers, as `jitter` takes them."""
    image, mask = channels_first(image, mask)
    mean, _ = pixel_statistics(to_lab(image), mask)
    return _recolored(image, mask, jitter(mean, normal[None, :, None, None]))


def relight(image: Tensor, mask: Tensor, even: Tensor) -> Tensor:
    """The image [H,W,3] with its object in other light: gains of the channels, then a power that leaves middle gray.

    All in linear light, by four numbers from -1 to 1: exposure, temperature, tint and curve.
    """
    stops, temperature, tint, curve = (even * torch.tensor([STOPS, TEMPERATURE, TINT, CURVE])).tolist()
    gains = 2 ** torch.tensor([stops + temperature, stops + tint, stops - temperature])
    lit = rgb_to_linear_rgb(image.movedim(-1, 0)) * gains[:, None, None]
    curved = MIDDLE_GRAY * (lit / MIDDLE_GRAY) ** (2**curve)
    changed = linear_rgb_to_rgb(curved.clamp(0, 1)).movedim(0, -1).clamp(0, 1)
    return torch.where(mask[..., None] > 0, changed, image)


def channels_first(image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Image [H,W,3] and mask [H,W] as [1,3,H,W] and [1,1,H,W], the mask 1 wherever it is not 0."""
    return image.movedim(-1, 0)[None], (mask > 0).float()[None, None]


def _recolored(image: Tensor, mask: Tensor, tones: Tones) -> Tensor:
    return recolor(image, mask, tones)[0].movedim(0, -1)


def read_pairs(folder: Path) -> Iterator[Pair]:
    """Pairs of a folder in the order of its index, read one at a time.

    Raises:
        FileNotFoundError: when the index or a picture is missing.
        ValueError: when the index lacks a column, sizes differ, or a mask is empty or full.
    """
    for row in read_index(folder, ("id", "object"), "pairs", "composites/, masks/ and truths/"):
        name = f"{row['id']}.png"
        composite, truth = read_image(folder / "composites" / name), read_image(folder / "truths" / name)
        mask = (read_mask(folder / "masks" / name) > 0.5).float()
        if not composite.shape[:2] == truth.shape[:2] == mask.shape:
            raise ValueError(
                f"Pair {row['id']} in {folder}: composite, truth and mask must have one size, got "
                f"{tuple(composite.shape[:2])}, {tuple(truth.shape[:2])} and {tuple(mask.shape)} (height, width)."
            )
        require_object(mask, f"Pair {row['id']} in {folder}")
        yield Pair(row["id"], row["object"], composite, mask, truth)
