"""What the loop's passes bring: the answer after 1, 2, 3 and all passes against the true photo. Needs the host."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

from ..color.apply import apply_lut
from ..color.fit import fit_lut
from ..core.view import working_view
from ..data.pairs import Pair
from ..host.evaluator import EMBEDDED, load_evaluator
from ..host.zero_shot.edit import Models, PassSettings
from ..host.zero_shot.harmonize import VIEW_SIZE
from ..loop.policy import LoopPolicy, best
from ..loop.run import Judge
from ..mini.loader import load_mini
from .methods import LOOP_PASS, run_harmonize
from .metrics import CAPTION, HEADERS, Score, against_nothing, mean_score, score

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


def run(models: Models, judge: Judge, pair: Pair, settings: PassSettings, policy: LoopPolicy) -> Run:
    """The loop on a pair. Stopped after n passes it would give the best of the first n + 1 states."""
    states = run_harmonize(models, judge, pair, settings, policy).states
    image, mask = pair.composite[None], pair.mask[None]
    with torch.inference_mode():
        view, view_mask = working_view(image, mask, VIEW_SIZE)
        luts = [fit_lut(view, state, view_mask) for state in states.images[1:]]
        pictures = [pair.composite, *(apply_lut(image, lut, mask)[0] for lut in luts)]
    results = [score(picture, pair.truth, pair.mask) for picture in pictures]
    stopped = {f"pass {n}": best(states.scores[: n + 1]) for n in STOPS}
    answers = {NOTHING: 0, FIRST: 1, **stopped, FINAL: best(states.scores)}
    answers[TRUTH] = best([-result.fmse for result in results])
    answered = {name: results[state] for name, state in answers.items()}
    return Run(pair.id, states.scores, states.result().actions, answers, answered)


def measure(
    pairs: Iterable[Pair], max_passes: int, total: int | None = None, json_file: Path | None = None
) -> list[Run]:
    """The loop on every pair with the embedded model and evaluator.

    Args:
        pairs: read one at a time.
        max_passes: the loop's limit.
        total: number of pairs where it is known, for the progress bar.
        json_file: written anew after each pair. Pairs that it holds already are taken from it, so that a run can go on.

    Raises:
        ValueError: when there are no pairs.
    """
    models, judge, policy = Models(*load_mini()), load_evaluator(EMBEDDED), LoopPolicy(max_passes=max_passes)
    progress = track(pairs, "pairs", total=total, console=Console(stderr=True))
    done = {r.id: r for r in read_json(json_file)} if json_file and json_file.exists() else {}
    runs: list[Run] = []
    for pair in progress:
        runs.append(done.pop(pair.id, None) or run(models, judge, pair, LOOP_PASS, policy))
        if json_file:
            write_json([*runs, *done.values()], json_file)
    if not runs:
        raise ValueError("There are no pairs to measure: the index is empty, or the limit is 0.")
    return runs


def table(runs: Sequence[Run]) -> Table:
    """A row for each stop: PSNR, fMSE, the latter against doing nothing, and how often the composite stayed."""
    columns = ("stopped after", "PSNR, dB", "fMSE", *HEADERS, "kept")
    drawn = Table(
        *columns, title=f"Loop, n={len(runs)}", caption=f"{CAPTION} kept: pairs whose composite is the answer."
    )
    untouched = [r.results[NOTHING] for r in runs]
    for name in runs[0].results:
        scores = [r.results[name] for r in runs]
        mean = mean_score(scores)
        kept = sum(r.answers[name] == 0 for r in runs)
        compared = against_nothing(scores, untouched)
        drawn.add_row(name, f"{mean.psnr:.2f}", f"{mean.fmse:.0f}", *compared.cells(), str(kept))
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
