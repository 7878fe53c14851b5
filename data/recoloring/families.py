"""Families of recoloring, each from nothing (strength 0) upwards.

A family changes the colors of whole pictures; who calls it keeps of them what a mask selects. Everything is channels
first: images [B,3,H,W], sRGB in 0-1, masks [B,1,H,W]; strengths [B,1,1,1], where 1 is a strong change.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from kornia.color import linear_rgb_to_rgb, rgb_to_linear_rgb
from torch import Generator, Tensor
from torch.nn.functional import interpolate

from .lab import jitter, region_mean, region_statistics, to_lab, to_rgb, transfer

Family = Callable[[Tensor, Tensor, Tensor, Generator], Tensor]  # image, mask, strength, generator -> recolored image

LUT_DEGREE = 3  # of the polynomials of a random LUT along each axis
FIELD = 3  # nodes of a light that varies over the picture, along each side

STOPS, TEMPERATURE, TINT = 0.9, 0.35, 0.15  # standard deviations, in stops: of all channels, red against blue, green
LOCAL_STOPS, LOCAL_TEMPERATURE = 0.8, 0.25
LOG_GAMMA, LOG_GAIN, LOG_SATURATION = 0.35, 0.15, 0.4
BLACK_POINT, WHITE_POINT, CONTRAST = 0.08, 0.12, 0.5
LUT_SHIFT = 0.35


def lab_jitter(image: Tensor, mask: Tensor, strength: Tensor, generator: Generator) -> Tensor:
    """Another lightness, tint, contrast and chroma in Lab."""
    lab = to_lab(image)
    normal = torch.randn((len(image), 5, 1, 1), generator=generator)
    return to_rgb(jitter(region_mean(lab, mask), normal * strength).of(lab))


def gamma_and_gains(image: Tensor, mask: Tensor, strength: Tensor, generator: Generator) -> Tensor:
    """Gamma, a gain for each channel, and saturation, on the sRGB values themselves."""
    gamma, saturation = _normal(image, 2, generator, LOG_GAMMA * strength, LOG_SATURATION * strength)
    gains = (LOG_GAIN * strength * torch.randn((len(image), 3, 1, 1), generator=generator)).exp()
    toned = image.clamp_min(1e-4) ** gamma.exp() * gains
    gray = toned.mean(1, keepdim=True)
    return torch.lerp(gray, toned, saturation.exp()).clamp(0, 1)


def exposure_and_white_balance(image: Tensor, mask: Tensor, strength: Tensor, generator: Generator) -> Tensor:
    """Exposure, temperature and tint in linear light."""
    scales = STOPS * strength, TEMPERATURE * strength, TINT * strength
    return _lit(image, *_normal(image, 3, generator, *scales))


def curves(image: Tensor, mask: Tensor, strength: Tensor, generator: Generator) -> Tensor:
    """Other black and white points, a little different in each channel, and an S-curve of contrast."""
    black, white, contrast = _normal(image, 3, generator, BLACK_POINT, WHITE_POINT, CONTRAST)
    of_channel = torch.randn((2, len(image), 3, 1, 1), generator=generator) / 3
    low = strength * (black + BLACK_POINT * of_channel[0])
    high = 1 + strength * (white + WHITE_POINT * of_channel[1])
    stretched = ((image - low) / (high - low).clamp_min(0.3)).clamp(0, 1)
    bend = (contrast * strength).clamp(-1, 1)  # further it would not rise everywhere
    return stretched + bend * stretched * (1 - stretched) * (2 * stretched - 1)


def smooth_lut(image: Tensor, mask: Tensor, strength: Tensor, generator: Generator) -> Tensor:
    """A random 3D LUT: a Bézier volume of shifts, smooth to every derivative."""
    nodes = LUT_DEGREE + 1
    shifts = LUT_SHIFT * torch.randn((len(image), 3, nodes, nodes, nodes), generator=generator)
    red, green, blue = (_bernstein(channel) for channel in image.flatten(2).unbind(1))
    weights = (red[:, :, None] * green[:, None]).flatten(1, 2)[:, :, None] * blue[:, None]
    shift = (shifts.flatten(2) @ weights.flatten(1, 2)).unflatten(2, image.shape[-2:])
    return (image + strength * shift).clamp(0, 1)


def local_light(image: Tensor, mask: Tensor, strength: Tensor, generator: Generator) -> Tensor:
    """Exposure and temperature that vary smoothly over the picture, as light from one side does."""
    nodes = torch.randn((len(image), 2, FIELD, FIELD), generator=generator)
    fields = interpolate(nodes, image.shape[-2:], mode="bicubic", align_corners=True)
    stops, temperature = LOCAL_STOPS * strength * fields[:, :1], LOCAL_TEMPERATURE * strength * fields[:, 1:]
    return _lit(image, stops, temperature, torch.zeros_like(stops))


GLOBAL: Mapping[str, Family] = {
    "lab jitter": lab_jitter,
    "gamma and gains": gamma_and_gains,
    "exposure and white balance": exposure_and_white_balance,
    "curves": curves,
    "smooth lut": smooth_lut,
}
FAMILIES: Mapping[str, Family] = {**GLOBAL, "local light": local_light}
GRADES = ("gamma and gains", "exposure and white balance", "curves")  # what happens to whole photographs


def towards_look(image: Tensor, mask: Tensor, strength: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
    """A region moved towards another object's mean and deviation in Lab; at strength 1 it has them.

    Args:
        image, mask, strength: as a family's.
        mean, deviation: of the other objects, [B,3,1,1].
    """
    lab = to_lab(image)
    moved = transfer(*region_statistics(lab, mask), mean, deviation).of(lab)
    return to_rgb(torch.lerp(lab, moved, strength))


def _normal(image: Tensor, count: int, generator: Generator, *scales: Tensor | float) -> list[Tensor]:
    """Normal numbers, each [B,1,1,1], times their scales."""
    numbers = torch.randn((count, len(image), 1, 1, 1), generator=generator)
    return [number * scale for number, scale in zip(numbers, scales, strict=True)]


def _lit(image: Tensor, stops: Tensor, temperature: Tensor, tint: Tensor) -> Tensor:
    """The picture in other light: gains of linear values, in stops; warm is a positive temperature."""
    gains = torch.cat((stops + temperature, stops + tint, stops - temperature), dim=1)
    return linear_rgb_to_rgb((rgb_to_linear_rgb(image) * 2**gains).clamp(0, 1)).clamp(0, 1)


def _bernstein(values: Tensor) -> Tensor:
    """The Bernstein polynomials of LUT_DEGREE at values [B,P] in 0-1: [B,LUT_DEGREE+1,P]; they sum to 1."""
    return torch.stack(
        [math.comb(LUT_DEGREE, k) * values**k * (1 - values) ** (LUT_DEGREE - k) for k in range(LUT_DEGREE + 1)], dim=1
    )
