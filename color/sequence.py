"""One look for a sequence of frames: LUTs at key frames, blended in time within each shot."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ..core.lab import rgb_to_lab
from .lut import ColorLUT

SMALL = 32  # side of what is compared to find cuts
CUT = 12.0  # mean change in Lab from frame to frame, from which there may be a cut
STANDS_OUT = 4.0  # and it must be so many times the shot's usual change
WIDTH, REACH = 1.0, 3  # key frames: of the Gaussian by which neighbors count, and how far it reaches

Change = Callable[[float], ColorLUT]  # how an object should change, by strength: 0 is nothing, 1 all of it
# Says so of a frame [H,W,3] with its mask [H,W]; None: the object cannot be judged there.
Proposer = Callable[[Tensor, Tensor], Change | None]


class CutFinder:
    """Tells where a new shot begins, frame by frame.

    A cut is a change of the whole picture that stands out from the changes before it, so that neither a moving object
    nor a light that fades counts. A shot has at least two frames.
    """

    def __init__(self) -> None:
        self._last: Tensor | None = None
        self._usual: float | None = None  # running mean of the shot's changes; None before the first

    def __call__(self, frame: Tensor) -> bool:
        """Whether a frame [H,W,3], sRGB in 0-1, begins a shot. The first one does."""
        small = interpolate(frame[..., :3].movedim(-1, 0)[None].float(), (SMALL, SMALL), mode="area")
        lab = rgb_to_lab(small)
        last, self._last = self._last, lab
        if last is None:
            return True
        change = float((lab - last).abs().sum(1).mean())
        if self._usual is None:
            self._usual = change
        elif change > max(CUT, STANDS_OUT * self._usual):
            self._usual = None
            return True
        else:
            self._usual = 0.8 * self._usual + 0.2 * change
        return False


@dataclass(frozen=True)
class Shot:
    """The LUTs of one shot: at each time between two key frames a blend of theirs, before and after that the nearest's.

    A LUT is made when it is asked for, because a long clip has thousands.
    """

    times: tuple[int, ...]  # numbers of the key frames, growing; empty where the object is nowhere seen
    key_lut: Callable[[int], ColorLUT]  # of a key frame, by its place among them

    def at(self, time: int) -> ColorLUT | None:
        """The LUT of a frame; None changes nothing."""
        if not self.times:
            return None
        later = bisect_left(self.times, time)
        if later in (0, len(self.times)):
            return self.key_lut(min(later, len(self.times) - 1))
        earlier = later - 1
        share = (time - self.times[earlier]) / (self.times[later] - self.times[earlier])
        return blend((self.key_lut(earlier), self.key_lut(later)), (1 - share, share))


def smoothed(key_lut: Callable[[int], ColorLUT], count: int) -> Callable[[int], ColorLUT]:
    """LUTs of consecutive key frames, each blended with its neighbors: what the network says of one frame wavers.

    Args:
        key_lut: of a key frame, by its place among them.
        count: how many there are.
    """
    own = lru_cache(2 * REACH + 2)(key_lut)

    def smooth(place: int) -> ColorLUT:
        near = range(max(0, place - REACH), min(count, place + REACH + 1))
        return blend(
            [own(other) for other in near], [math.exp(-0.5 * ((other - place) / WIDTH) ** 2) for other in near]
        )

    return lru_cache(2)(smooth)


def blend(luts: Sequence[ColorLUT], weights: Sequence[float]) -> ColorLUT:
    """The mean of LUTs of one size, by weights that are not all 0."""
    total, mean = sum(weights), torch.zeros_like(luts[0].table)
    for lut, weight in zip(luts, weights, strict=True):
        mean += lut.table * (weight / total)
    return ColorLUT(mean, luts[0].title)
