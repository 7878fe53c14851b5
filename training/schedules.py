"""Learning rates over a training: the factor of the full rate at a step."""

from __future__ import annotations

import math
from collections.abc import Callable

Schedule = Callable[[int], float]  # step, from 0 -> factor, 0 to 1


def warmup_then_cosine(steps: int, warmup: int, floor: float) -> Schedule:
    """A linear rise over `warmup` steps, then a cosine from 1 down to `floor` at `steps`."""

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        return floor + (1 - floor) * _falling((step - warmup) / max(1, steps - warmup))

    return factor


def warmup_on_cosine(steps: int, warmup: int) -> Schedule:
    """A cosine from 1 down to 0 at `steps`, times a linear rise over the first `warmup` steps."""

    def factor(step: int) -> float:
        return min(1.0, (step + 1) / warmup) * _falling(step / steps)

    return factor


def _falling(share: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * min(1.0, share)))
