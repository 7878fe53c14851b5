"""PSNR, MSE and foreground MSE of 8-bit sRGB pictures, an image at a time; and scores against doing nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

BINS = ((0.0, 0.05), (0.05, 0.15), (0.15, 1.0))  # of the foreground's share of the picture
VISIBLY_WORSE = 100.0  # a rise of fMSE above this counts; ten of the 255 levels, squared
HIGH = 95  # percentile of the pairs' fMSE ratios
HEADERS = ("fMSE ratio", "visibly worse", f"ratio, {HIGH}th percentile", "worst")  # of AgainstNothing.cells
CAPTION = (
    f"visibly worse: pairs whose fMSE is more than {VISIBLY_WORSE:.0f} above that of doing nothing. "
    f"ratio, {HIGH}th percentile: for {HIGH} of 100 pairs fMSE is at most so many times that of doing nothing. "
    "worst: the greatest rise of a pair's fMSE above that of doing nothing."
)


@dataclass(frozen=True)
class Score:
    psnr: float  # dB, over the whole picture
    mse: float  # over the whole picture, in squared 8-bit levels
    fmse: float  # over the foreground


@dataclass(frozen=True)
class AgainstNothing:
    """A method's fMSE against that of doing nothing on the same pairs. A ratio is None where it would divide by 0."""

    pairs: int
    ratio: float | None  # of the two mean fMSE
    visibly_worse: int  # pairs whose fMSE rises by more than VISIBLY_WORSE
    high_ratio: float | None  # percentile HIGH of the pairs' own ratios; pairs where doing nothing has 0 are left out
    worst: float  # the greatest rise of a pair's fMSE; below 0 where all fall

    def cells(self) -> tuple[str, str, str, str]:
        """A row of a table, under HEADERS."""
        share = 100 * self.visibly_worse / self.pairs
        worse = f"{self.visibly_worse} ({share:.0f}%)"
        return _times(self.ratio), worse, _times(self.high_ratio), f"{self.worst:+,.0f}"


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


def against_nothing(scores: Sequence[Score], untouched: Sequence[Score]) -> AgainstNothing:
    """What a mean hides: how many pictures a method makes worse, and how much worse its bad ones are.

    The percentile is of ratios that are taken for each pair alone: the method's fMSE over that of doing nothing on the
    same pair. 95 of 100 pairs have at most this ratio; between two pairs it is interpolated. A pair where doing nothing
    has an fMSE of 0 has no ratio. It still counts as visibly worse if the method changes it that much.

    Args:
        scores: the method's, one for each pair, at least one.
        untouched: those of doing nothing, in the same order.

    Raises:
        ValueError: when the numbers of scores differ.
    """
    both = [(own.fmse, base.fmse) for own, base in zip(scores, untouched, strict=True)]
    total, base_total = map(sum, zip(*both, strict=True))
    ratios = [own / base for own, base in both if base]
    return AgainstNothing(
        pairs=len(both),
        ratio=total / base_total if base_total else None,
        visibly_worse=sum(own - base > VISIBLY_WORSE for own, base in both),
        high_ratio=float(np.percentile(ratios, HIGH)) if ratios else None,
        worst=max(own - base for own, base in both),
    )


def bin_of(ratio: float) -> str:
    low, high = next((low, high) for low, high in BINS if ratio <= high)
    return f"{100 * low:.0f}-{100 * high:.0f}%"


def _times(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.2f}x"
