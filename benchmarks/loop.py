"""What the loop's passes bring: the answer after 1, 2, 3 and all passes against the true photo."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

from ..color.apply import apply_lut
from ..color.fit import fit_lut
from ..core.view import working_view
from ..data.pairs import Pair
from ..description.statistics.provider import alternatives
from ..loop.policy import LoopPolicy, best
from .harmonize import policy_for
from .metrics import Score, mean_score, score

STOPS = (1, 2, 3)  # passes
NOTHING, FIRST = "doing nothing", "pass 1 itself"
FINAL, TRUTH = "all passes", "best state by the truth"


@dataclass(frozen=True)
class Run:
    """One pair's loop."""

    id: str
    scores: tuple[float, ...]  # the evaluator's, of every state
    decisions: tuple[str, ...]
    answers: dict[str, int]  # row of the table -> state
    results: dict[str, Score]  # row of the table -> its score against the truth


def run(models: Any, evaluator: Any, pair: Pair, settings: Any, policy: LoopPolicy) -> Run:
    """The loop on a pair; stopped after n passes it gives the best of the first n + 1 states."""
    from ..host.zero_shot.harmonize import harmonize

    image, mask = pair.composite[None], pair.mask[None]
    descriptions = alternatives(pair.composite, pair.mask, pair.object)
    policy = policy_for(policy, len(descriptions))
    with torch.inference_mode():
        passes = harmonize(models, evaluator, image, mask, descriptions, settings, policy).passes
        view, region = working_view(image, mask, settings.view_size)
        luts = [fit_lut(view, state, region) for state in passes.images[1:]]
        pictures = [pair.composite, *(apply_lut(image, lut, mask)[0] for lut in luts)]
    results = [score(picture, pair.truth, pair.mask) for picture in pictures]
    stopped = {f"pass {n}": best(passes.scores[: n + 1]) for n in STOPS}
    answers = {NOTHING: 0, FIRST: 1, **stopped, FINAL: best(passes.scores)}
    answers[TRUTH] = best([-result.fmse for result in results])
    actions = tuple(decision.action for decision in passes.decisions(policy))
    return Run(pair.id, passes.scores, actions, answers, {name: results[state] for name, state in answers.items()})


def measure(
    pairs: Iterable[Pair], max_passes: int, total: int | None = None, json_file: Path | None = None
) -> list[Run]:
    """The loop on every pair with the embedded model and evaluator. Raises ValueError when there are none.

    json_file: written anew after each pair; pairs that it holds already are taken from it, so that a run can go on.
    """
    from ..host.evaluator import EMBEDDED, load_evaluator
    from ..host.zero_shot.harmonize import Models, PassSettings
    from ..mini.loader import load_mini

    models, evaluator, policy = Models(*load_mini()), load_evaluator(EMBEDDED), LoopPolicy(max_passes=max_passes)
    progress = track(pairs, "pairs", total=total, console=Console(stderr=True))
    done = {r.id: r for r in read_json(json_file)} if json_file and json_file.exists() else {}
    runs: list[Run] = []
    for pair in progress:
        runs.append(done.pop(pair.id, None) or run(models, evaluator, pair, PassSettings(), policy))
        if json_file:
            write_json([*runs, *done.values()], json_file)
    if not runs:
        raise ValueError("There are no pairs to measure: the index is empty, or the limit is 0.")
    return runs


def table(runs: Sequence[Run]) -> Table:
    """A row a stop: PSNR, fMSE inside the mask, its ratio to doing nothing, and how often the composite stayed."""
    drawn = Table("stopped after", "PSNR, dB", "fMSE", "fMSE ratio", "composite kept", title=f"Loop, n={len(runs)}")
    base = mean_score([r.results[NOTHING] for r in runs]).fmse
    for name in runs[0].results:
        mean = mean_score([r.results[name] for r in runs])
        kept = sum(r.answers[name] == 0 for r in runs)
        drawn.add_row(name, f"{mean.psnr:.2f}", f"{mean.fmse:.0f}", f"{mean.fmse / base:.2f}x", str(kept))
    return drawn


def decisions_line(runs: Sequence[Run]) -> str:
    """How many passes a pair took, and how often each decision was taken."""
    counts = Counter(action for r in runs for action in r.decisions if action != "start")
    passes = sum(len(r.scores) - 1 for r in runs) / len(runs)
    return f"{passes:.1f} passes a pair; " + ", ".join(f"{action} {count}" for action, count in counts.most_common())


def write_json(runs: Sequence[Run], path: Path) -> None:
    data = [vars(r) | {"results": {name: vars(value) for name, value in r.results.items()}} for r in runs]
    path.write_text(json.dumps(data, indent=1) + "\n")


def read_json(path: Path) -> list[Run]:
    """What write_json wrote."""
    rows = json.loads(path.read_text())
    return [
        Run(
            row["id"],
            tuple(row["scores"]),
            tuple(row["decisions"]),
            row["answers"],
            {name: Score(**value) for name, value in row["results"].items()},
        )
        for row in rows
    ]
