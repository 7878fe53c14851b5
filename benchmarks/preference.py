"""How often a harmony score prefers a true photo to the composite that was made of it: the choice that a loop makes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rich.console import Console
from rich.progress import track
from rich.table import Table

from ..data.pairs import Pair
from .evaluator import Score, auc


@dataclass(frozen=True)
class Preference:
    """Of one score."""

    truth_first: float  # share of the pairs whose true photo scores above its own composite
    auc: float  # ROC, true photos over composites of all pairs


def measure(pairs: Iterable[Pair], scores: Mapping[str, Score], total: int | None = None) -> dict[str, Preference]:
    """Every score on the same pairs, which are read one at a time.

    Raises:
        ValueError: when there are no pairs.
    """
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in scores}
    for pair in track(pairs, "pairs", total=total, console=Console(stderr=True)):
        for name, score in scores.items():
            found[name].append(
                (score(pair.truth, pair.mask, pair.object), score(pair.composite, pair.mask, pair.object))
            )
    if not all(found.values()):
        raise ValueError("There are no pairs to measure: the index is empty, or the limit is 0.")
    return {
        name: Preference(sum(true > made for true, made in both) / len(both), auc(*map(list, zip(*both, strict=True))))
        for name, both in found.items()
    }


def table(found: Mapping[str, Preference]) -> Table:
    drawn = Table("score", "true photo above its own composite", "ROC-AUC over different photos")
    for name, preference in found.items():
        drawn.add_row(name, f"{preference.truth_first:.0%}", f"{preference.auc:.3f}")
    return drawn
