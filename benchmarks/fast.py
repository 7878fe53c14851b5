"""What each approximation of `fast` costs in quality, beside what it saves in time: one pass of the embedded model."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

from rich.table import Table
from torch import Tensor

from ..data.pairs import Pair
from ..host.zero_shot.edit import Models, PassSettings
from ..methods.zero_shot.null_text import NullTextSettings
from .baselines import nothing
from .methods import FAST, ONE_PASS, describe_by_statistics, one_pass
from .metrics import against_nothing, mean_score
from .quality import Results, measure

EXACT = "direct inversion"
FEWER = 0.4  # of the steps: 20 of 50


def ways(steps: int) -> dict[str, PassSettings]:
    """Each differs from the one before it in one thing."""
    full, fewer = replace(ONE_PASS, steps=steps), round(FEWER * steps)
    return {
        "null-text, Sobel": replace(full, null_text=NullTextSettings(), edges="sobel"),
        "null-text, edges once a noise level": replace(
            full, null_text=NullTextSettings(held_edges=True), edges="sobel"
        ),
        EXACT: full,
        "and cached queries": replace(full, refinement=FAST),
        f"and {fewer} steps": replace(full, refinement=FAST, steps=fewer),
    }


@dataclass(frozen=True)
class Measured:
    """Scores of all pairs, and each way's processor seconds for all of them."""

    results: Results
    seconds: dict[str, float]


def compare(models: Models, pairs: Iterable[Pair], total: int | None, steps: int, null_text: bool) -> Measured:
    """One pass of each way on every pair.

    Args:
        models: the embedded ones.
        pairs: read one at a time.
        total: number of pairs where it is known.
        steps: of all ways but the last.
        null_text: also the ways with null-text, which take ten times as long as the others.
    """
    seconds: dict[str, float] = defaultdict(float)

    def timed(name: str, settings: PassSettings):
        method = one_pass(models, describe_by_statistics, settings)

        def run(pair: Pair) -> Tensor:
            start = time.process_time()
            result = method(pair)
            seconds[name] += time.process_time() - start
            return result

        return run

    chosen = {name: settings for name, settings in ways(steps).items() if null_text or not settings.null_text}
    found = {"nothing": nothing, **{name: timed(name, settings) for name, settings in chosen.items()}}
    return Measured(measure(pairs, found, total), dict(seconds))


def table(measured: Measured) -> Table:
    """Loss against direct inversion with all of the paper's refinement, and how many times faster."""
    scores = {name: [score for _, _, score in rows] for name, rows in measured.results.items()}
    base, count = mean_score(scores[EXACT]).psnr, len(scores["nothing"])
    columns = ("one pass", "PSNR, dB", "against direct inversion", "visibly worse", "s a picture", "times faster")
    drawn = Table(*columns, title=f"Fast, n={count}, embedded model, processor seconds")
    slowest = max(measured.seconds.values())
    for name, own in scores.items():
        mean = mean_score(own).psnr
        worse = against_nothing(own, scores["nothing"]).visibly_worse
        cells = ("", "")
        if name in measured.seconds:
            cells = f"{measured.seconds[name] / count:.1f}", f"{slowest / measured.seconds[name]:.1f}x"
        drawn.add_row(name, f"{mean:.2f}", f"{mean - base:+.2f}", str(worse), *cells)
    return drawn
