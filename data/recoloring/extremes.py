"""Edits that no one would call natural: black, blown out, oversaturated, inverted, in other hues.

Like families, they change the colors of whole pictures; who calls them keeps of those what a mask selects. Everything
is channels first: images [B,3,H,W], sRGB in 0-1; amounts [B,1,1,1] in 0-1, all of which are absurd.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from .lab import to_lab, to_rgb

Extreme = Callable[[Tensor, Tensor], Tensor]  # image, amount -> absurd image

DARKEST, BRIGHTEST = 0.12, 0.85  # share of the light that is left at amount 0; share of the way to white at amount 0
CHROMA = 3.0, 6.0  # gains at amount 0 and 1
HUE = math.pi / 2, math.pi  # turns at amount 0 and 1


def black(image: Tensor, amount: Tensor) -> Tensor:
    return image * DARKEST * (1 - amount)


def blown_out(image: Tensor, amount: Tensor) -> Tensor:
    return image.lerp(torch.ones_like(image), BRIGHTEST + (1 - BRIGHTEST) * amount)


def oversaturated(image: Tensor, amount: Tensor) -> Tensor:
    gain = CHROMA[0] + (CHROMA[1] - CHROMA[0]) * amount
    lab = to_lab(image)
    return to_rgb(torch.cat((lab[:, :1], lab[:, 1:] * gain), dim=1))


def inverted(image: Tensor, amount: Tensor) -> Tensor:
    """The negative; the amount changes nothing of it."""
    return 1 - image


def other_hues(image: Tensor, amount: Tensor) -> Tensor:
    """All hues turned, at the double chroma: grass becomes blue or purple."""
    angle = HUE[0] + (HUE[1] - HUE[0]) * amount
    light, a, b = to_lab(image).split(1, dim=1)
    turned = torch.cat((angle.cos() * a - angle.sin() * b, angle.sin() * a + angle.cos() * b), dim=1)
    return to_rgb(torch.cat((light, 2 * turned), dim=1))


EXTREMES: Mapping[str, Extreme] = {
    "black": black,
    "blown out": blown_out,
    "oversaturated": oversaturated,
    "inverted": inverted,
    "other hues": other_hues,
}
