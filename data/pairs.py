"""Composite-truth pairs: built from photographs by recoloring their object, or read from a folder.

A folder holds composites/ID.png, masks/ID.png, truths/ID.png and index.csv with the columns id and object.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from kornia.color import lab_to_rgb, rgb_to_lab
from torch import Tensor

from .photos import Photo, read_image, read_mask

# Standard deviations of the tone jitter: shift of L*, a*, b*, and log gains of contrast and chroma.
JITTER_SHIFT, JITTER_CONTRAST, JITTER_CHROMA = (14.0, 5.0, 10.0), 0.25, 0.35


@dataclass(frozen=True)
class Pair:
    """A composite and the picture it should become."""

    id: str
    object: str
    composite: Tensor  # [H,W,3], sRGB in 0-1
    mask: Tensor  # [H,W], 0 or 1
    truth: Tensor  # [H,W,3]

    @property
    def foreground_ratio(self) -> float:
        return self.mask.mean().item()


def build_pairs(photos: Sequence[Photo], seed: int = 0) -> Iterator[Pair]:
    """One pair a photo: even ones recolored as the same kind of object in another photo, odd ones by tone jitter.

    Colors are rounded to 8 bits, as files hold them. An object without a second of its kind gets the jitter.
    """
    generator = torch.Generator().manual_seed(seed)
    for index, photo in enumerate(photos):
        truth, mask = photo.image(), (photo.mask() > 0.5).float()
        others = [other for other in photos if other.object == photo.object and other.id != photo.id]
        jitter = torch.randn(5, generator=generator)
        choice = int(torch.randint(1 << 30, (1,), generator=generator))
        if index % 2 == 0 and others:
            other = others[choice % len(others)]
            recolored = transfer_statistics(truth, mask, other.image(), (other.mask() > 0.5).float())
        else:
            recolored = jitter_tone(truth, mask, jitter)
        composite = torch.where(mask[..., None] > 0, recolored, truth)
        yield Pair(photo.id, photo.object, (composite * 255).round() / 255, mask, truth)


def transfer_statistics(image: Tensor, mask: Tensor, other: Tensor, other_mask: Tensor) -> Tensor:
    """The image with its region's Lab mean and deviation set to those of another's region (Reinhard et al. 2001)."""
    lab, reference = to_lab(image), to_lab(other)
    inside, there = lab[mask > 0], reference[other_mask > 0]
    gain = (there.std(0) / inside.std(0).clamp_min(1e-3)).clamp(0.5, 2.0)
    return to_rgb((lab - inside.mean(0)) * gain + there.mean(0))


def jitter_tone(image: Tensor, mask: Tensor, normal: Tensor) -> Tensor:
    """The image with its region's tones moved by five standard normal numbers."""
    lab = to_lab(image)
    mean = lab[mask > 0].mean(0)
    gain = torch.stack(((JITTER_CONTRAST * normal[3]).exp(), *[(JITTER_CHROMA * normal[4]).exp()] * 2))
    center = torch.stack((mean[0], torch.tensor(0.0), torch.tensor(0.0)))
    return to_rgb((lab - center) * gain + center + normal[:3] * torch.tensor(JITTER_SHIFT))


def to_lab(image: Tensor) -> Tensor:
    """sRGB [H,W,3] in 0-1 to Lab [H,W,3]."""
    return rgb_to_lab(image.movedim(-1, 0)[None])[0].movedim(0, -1)


def to_rgb(lab: Tensor) -> Tensor:
    """Lab [H,W,3] to sRGB in 0-1, clipped to the gamut."""
    lab = torch.cat((lab[..., :1].clamp(0, 100), lab[..., 1:]), dim=-1)
    return lab_to_rgb(lab.movedim(-1, 0)[None])[0].movedim(0, -1).clamp(0, 1)


def read_pairs(folder: Path) -> Iterator[Pair]:
    """Pairs of a folder, in the order of its index. Raises FileNotFoundError or ValueError."""
    index = folder / "index.csv"
    if not index.is_file():
        raise FileNotFoundError(
            f"No pairs in {folder}: expected index.csv (id,object) beside composites/, masks/, truths/."
        )
    with index.open(newline="") as file:
        rows = csv.DictReader(file)
        missing = {"id", "object"} - set(rows.fieldnames or ())
        if missing:
            raise ValueError(f"{index} lacks the column {', '.join(sorted(missing))}; expected id,object.")
        for row in rows:
            name = f"{row['id']}.png"
            composite, truth = read_image(folder / "composites" / name), read_image(folder / "truths" / name)
            mask = (read_mask(folder / "masks" / name) > 0.5).float()
            if not composite.shape[:2] == truth.shape[:2] == mask.shape:
                raise ValueError(
                    f"Pair {row['id']} in {folder}: composite, truth and mask must have one size, got "
                    f"{tuple(composite.shape[:2])}, {tuple(truth.shape[:2])} and {tuple(mask.shape)} (height, width)."
                )
            if not 0 < mask.mean() < 1:
                raise ValueError(
                    f"Pair {row['id']} in {folder}: the mask is {'full' if mask.any() else 'empty'}; "
                    "it must be white on the pasted object and black elsewhere."
                )
            yield Pair(row["id"], row["object"], composite, mask, truth)
