"""Recoloring an object by degrees: how far its colors have moved is how inharmonious it has become."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from kornia.color import lab_to_rgb, rgb_to_lab
from torch import Tensor

RANKS = 10  # of a recoloring's strength, 0 for the photo itself
FULL_STRENGTH = 45.0  # mean distance in Lab (CIE76) of rank 9: five units a rank
# Standard deviations of the jitter in Lab: shifts of L*, a*, b*; log of contrast's and chroma's gain.
SHIFT, LOG_CONTRAST, LOG_CHROMA = (14.0, 5.0, 10.0), 0.25, 0.35


@dataclass(frozen=True)
class Tones:
    """A change of tones in Lab: lab -> lab * gain + offset, both [B,3,1,1]."""

    gain: Tensor
    offset: Tensor

    def of(self, lab: Tensor) -> Tensor:
        return lab * self.gain + self.offset


def probe(values: Tensor) -> Tensor:
    """A sixteenth of the pixels, enough for a mean."""
    return values[..., 2::4, 2::4]


def region_statistics(lab: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation [B,3,1,1] of lab [B,3,H,W] over mask [B,1,H,W]."""
    area = mask.sum((2, 3), keepdim=True).clamp_min(1e-3)
    mean = (lab * mask).sum((2, 3), keepdim=True) / area
    return mean, ((lab - mean).square() * mask).sum((2, 3), keepdim=True).div(area).sqrt()


def jitter(mean: Tensor, generator: torch.Generator) -> Tones:
    """Random contrast about the region's mean [B,3,1,1], random chroma, and a random shift."""
    normal = torch.randn((len(mean), 5, 1, 1), generator=generator)
    gain = torch.cat(((LOG_CONTRAST * normal[:, 3:4]).exp(), *[(LOG_CHROMA * normal[:, 4:5]).exp()] * 2), dim=1)
    center = torch.cat((mean[:, :1], torch.zeros_like(mean[:, 1:])), dim=1)
    return Tones(gain, center * (1 - gain) + normal[:, :3] * torch.tensor(SHIFT)[:, None, None])


def transfer(mean: Tensor, deviation: Tensor, other_mean: Tensor, other_deviation: Tensor) -> Tones:
    """Give a region the mean and deviation of another (Reinhard et al. 2001); all [B,3,1,1]."""
    gain = (other_deviation / deviation.clamp_min(1e-3)).clamp(0.5, 2.0)
    return Tones(gain, other_mean - mean * gain)


def recolor(image: Tensor, mask: Tensor, tones: Tones, distance: Tensor) -> tuple[Tensor, Tensor]:
    """Move an object's colors in the direction of `tones` until their mean distance from before is `distance`.

    image: [1,3,H,W] in 0-1; mask: [1,1,H,W]; tones: of one row or V; distance: [V] in Lab units (CIE76). Returns
    images [V,3,H,W] and the distances reached, less where colors leave the gamut or `tones` hardly changes them.
    """
    lab = rgb_to_lab(image)
    step = tones.of(lab) - lab
    probed = probe(mask)
    full = _mean_length(probe(step), probed)
    scale = (distance / full.clamp_min(1e-3)).clamp_max(4.0)[:, None, None, None]
    moved = lab + step * scale
    moved[:, 0].clamp_(0, 100)
    moved = lab_to_rgb(moved).clamp_(0, 1)
    reached = _mean_length(rgb_to_lab(probe(moved)) - probe(lab), probed)
    keep = distance > 0
    return torch.where(keep[:, None, None, None], image + (moved - image) * mask, image), reached * keep


def _mean_length(vectors: Tensor, mask: Tensor) -> Tensor:
    """Mean length [V] of vectors [V,3,H,W] over mask [1,1,H,W]."""
    return (vectors.norm(dim=1, keepdim=True) * mask).sum((1, 2, 3)) / mask.sum().clamp_min(1e-3)


def rank_of(distance: Tensor) -> Tensor:
    """The strength's rank, 0 to 9, of a recoloring that moved the object by `distance`."""
    return (distance / FULL_STRENGTH * (RANKS - 1)).round().clamp_max(RANKS - 1)


def label_of(distance: Tensor) -> Tensor:
    """The soft label in 0-1 of a recoloring that moved the object by `distance`."""
    return 1 - rank_of(distance) / (RANKS - 1)
