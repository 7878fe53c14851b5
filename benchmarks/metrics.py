"""PSNR, MSE and foreground MSE of 8-bit sRGB pictures, an image at a time."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

BINS = ((0.0, 0.05), (0.05, 0.15), (0.15, 1.0))  # of the foreground's share of the picture


@dataclass(frozen=True)
class Score:
    psnr: float  # dB, over the whole picture
    mse: float  # over the whole picture, in squared 8-bit levels
    fmse: float  # over the foreground


def score(result: Tensor, truth: Tensor, mask: Tensor) -> Score:
    """result, truth: [H,W,3] in 0-1; mask: [H,W], 0 or 1."""
    a, b = ((x.clamp(0, 1) * 255).round() for x in (result, truth))
    squares = (a - b).square().mean(-1)
    mse = squares.mean().item()
    psnr = 10 * torch.log10(torch.tensor(255.0**2 / max(mse, 1e-10))).item()
    return Score(psnr, mse, squares[mask > 0].mean().item())


def mean_score(scores: list[Score]) -> Score:
    count = len(scores)
    return Score(*(sum(getattr(s, name) for s in scores) / count for name in ("psnr", "mse", "fmse")))


def bin_of(ratio: float) -> str:
    low, high = next((low, high) for low, high in BINS if ratio <= high)
    return f"{100 * low:.0f}-{100 * high:.0f}%"
