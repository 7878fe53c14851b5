"""Recoloring an object in Lab: by another object's look, by chance, and by degrees.

Everything is channels first: images [B,3,H,W] in 0-1, masks [B,1,H,W]; statistics and changes of tones [B,3,1,1].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from kornia.color import lab_to_rgb, rgb_to_lab
from torch import Tensor

RANKS = 10  # of a recoloring's strength, 0 for the photo itself
FULL_STRENGTH = 45.0  # mean distance in Lab (CIE76) of rank 9: five units a rank


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Standard deviations of a random change of tones; zero changes nothing."""

    shift: tuple[float, float, float]  # of L*, a*, b*, in their units
    log_contrast: float  # of the logarithm of the gain of L* about its mean
    log_chroma: float  # of the logarithm of the gain of a* and b* about gray


SPREAD = Spread(shift=(14.0, 5.0, 10.0), log_contrast=0.25, log_chroma=0.35)


@dataclass(frozen=True, kw_only=True)
class Tones:
    """A change of tones in Lab: lab -> (lab - center) * gain + target + shift, all [B,3,1,1]."""

    center: Tensor
    gain: Tensor
    target: Tensor  # where the center goes
    shift: Tensor

    def of(self, lab: Tensor) -> Tensor:
        """The changed colors of `lab` [B,3,H,W]; it may lie outside the gamut."""
        return (lab - self.center) * self.gain + self.target + self.shift


def join_tones(changes: Sequence[Tones]) -> Tones:
    """Several changes as the rows of one."""
    names = ("center", "gain", "target", "shift")
    return Tones(**{name: torch.cat([getattr(change, name) for change in changes]) for name in names})


def to_lab(image: Tensor) -> Tensor:
    """sRGB [B,3,H,W] in 0-1 to Lab."""
    return rgb_to_lab(image)


def to_rgb(lab: Tensor) -> Tensor:
    """Lab [B,3,H,W] to sRGB in 0-1, clipped to the gamut."""
    return lab_to_rgb(torch.cat((lab[:, :1].clamp(0, 100), lab[:, 1:]), dim=1)).clamp(0, 1)


def region_mean(lab: Tensor, mask: Tensor) -> Tensor:
    """Mean [B,3,1,1] of lab [B,3,H,W], weighted by mask [B,1,H,W]; zero where the mask is empty."""
    return (lab * mask).sum((2, 3), keepdim=True) / _area(mask)


def region_statistics(lab: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation [B,3,1,1] of lab [B,3,H,W], weighted by mask [B,1,H,W]."""
    mean = region_mean(lab, mask)
    return mean, ((lab - mean).square() * mask).sum((2, 3), keepdim=True).div(_area(mask)).sqrt()


def pixel_statistics(lab: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and sample standard deviation [1,3,1,1] of the pixels of lab [1,3,H,W] where mask [1,1,H,W] is not 0.

    Pairs are built with it, and published figures rest on them to the last bit: `region_statistics` sums in another
    order and divides by another count.
    """
    pixels = lab[0].movedim(0, -1)[mask[0, 0] > 0]
    return pixels.mean(0)[None, :, None, None], pixels.std(0)[None, :, None, None]


def transfer(mean: Tensor, deviation: Tensor, other_mean: Tensor, other_deviation: Tensor) -> Tones:
    """Give a region the mean and deviation of another (Reinhard et al. 2001); all [B,3,1,1].

    The contrast changes by half or double at most.
    """
    gain = (other_deviation / deviation.clamp_min(1e-3)).clamp(0.5, 2.0)
    return Tones(center=mean, gain=gain, target=other_mean, shift=torch.zeros_like(mean))


def jitter(mean: Tensor, normal: Tensor, spread: Spread = SPREAD) -> Tones:
    """A random change of tones: of contrast about the region's mean lightness, of chroma, and a shift.

    Args:
        mean: of the region in Lab, [B,3,1,1].
        normal: standard normal numbers [B,5,1,1]: shifts of L*, a*, b*, then contrast, then chroma.
        spread: what one standard deviation is.
    """
    contrast, chroma = (spread.log_contrast * normal[:, 3:4]).exp(), (spread.log_chroma * normal[:, 4:5]).exp()
    center = torch.cat((mean[:, :1], torch.zeros_like(mean[:, 1:])), dim=1)
    shift = normal[:, :3] * torch.tensor(spread.shift)[:, None, None]
    return Tones(center=center, gain=torch.cat((contrast, chroma, chroma), dim=1), target=center, shift=shift)


def recolor(image: Tensor, mask: Tensor, tones: Tones) -> Tensor:
    """Change the tones of images [B,3,H,W] where mask [B,1,H,W] is 1, in part where it is less."""
    return torch.lerp(image, to_rgb(tones.of(to_lab(image))), mask)


def recolor_by_degrees(image: Tensor, mask: Tensor, tones: Tones, distance: Tensor) -> tuple[Tensor, Tensor]:
    """Move an object's colors in the direction of `tones` until their mean distance from before is `distance`.

    Args:
        image: [1,3,H,W] in 0-1.
        mask: [1,1,H,W].
        tones: of one row or of V.
        distance: [V], in Lab units (CIE76); 0 leaves the image as it is.

    Returns:
        Images [V,3,H,W] and the distances reached [V]. These are less than asked for where colors leave the gamut, or
        where `tones` hardly changes them.
    """
    lab = to_lab(image)
    step = tones.of(lab) - lab
    probed = probe(mask)
    full = _mean_length(probe(step), probed)
    scale = (distance / full.clamp_min(1e-3)).clamp_max(4.0)[:, None, None, None]
    moved = to_rgb(lab + step * scale)
    reached = _mean_length(to_lab(probe(moved)) - probe(lab), probed)
    keep = distance > 0
    return torch.where(keep[:, None, None, None], torch.lerp(image, moved, mask), image), reached * keep


def mean_distance(image: Tensor, other: Tensor, mask: Tensor) -> Tensor:
    """Mean distance [V] in Lab (CIE76) of images [V,3,H,W] from others, over masks [V,1,H,W], from a sixteenth of the
    pixels.
    """
    apart = to_lab(probe(image)) - to_lab(probe(other))
    return _mean_length(apart, probe(mask))


def probe(values: Tensor) -> Tensor:
    """A sixteenth of the pixels, enough for a mean."""
    return values[..., 2::4, 2::4]


def rank_of(distance: Tensor) -> Tensor:
    """The strength's rank, 0 to 9, of a recoloring that moved the object by `distance`."""
    return (distance / FULL_STRENGTH * (RANKS - 1)).round().clamp_max(RANKS - 1)


def label_of(distance: Tensor) -> Tensor:
    """The soft label in 0-1 of a recoloring that moved the object by `distance`; 1 is untouched."""
    return 1 - rank_of(distance) / (RANKS - 1)


def _area(mask: Tensor) -> Tensor:
    return mask.sum((2, 3), keepdim=True).clamp_min(1e-3)


def _mean_length(vectors: Tensor, mask: Tensor) -> Tensor:
    """Mean length [V] of vectors [V,3,H,W] over masks, [1,1,H,W] or [V,1,H,W]."""
    return (vectors.norm(dim=1, keepdim=True) * mask).sum((1, 2, 3)) / mask.sum((1, 2, 3)).clamp_min(1e-3)
