"""How near each method brings composites to their truths. Needs the host."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from ..data.pairs import Pair
from ..host.evaluator import EMBEDDED, load_evaluator
from ..host.routed.harmonizer import load_harmonizer
from ..host.zero_shot.edit import Models
from ..mini.loader import load_mini
from .baselines import PairMethod, color_transfer, nothing, oracle_mean, regression
from .methods import (
    DOUBTING_LOOP,
    FOLLOWING_LOOP,
    LOOP,
    LOOP_PASS,
    ONE_PASS,
    describe_by_statistics,
    describe_by_truth,
    loop_towards,
    one_pass,
    whole_loop,
)
from .metrics import BINS, CAPTION, HEADERS, Score, against_nothing, bin_of, mean_score, score
from .routed import ROUTED, routed_methods, then

Row = tuple[str, float, Score]  # pair id, foreground ratio, score
Results = dict[str, list[Row]]  # method -> a row a pair


def methods(photos: Path | None, loop: bool, oracle: bool) -> dict[str, PairMethod]:
    """Every row of the table by its name.

    Args:
        photos: where the regression learns; None leaves it out.
        loop: also the loop: by the paper's rules; as the workflow `harmonize_loop` runs it, with words that lead to the
            routed network's look and follow the object; as `harmonize_one_node` runs it, with proposals, too.
        oracle: also with words and means from the truth.
    """
    models, judge, harmonizer = Models(*load_mini()), load_evaluator(EMBEDDED), load_harmonizer(EMBEDDED)
    found: dict[str, PairMethod] = {
        "nothing": nothing,
        "ColorTransfer reinhard_lab": color_transfer("reinhard_lab"),
        "ColorTransfer mkl_lab": color_transfer("mkl_lab"),
    }
    if photos is not None:
        found["regression, half-way"] = regression(photos).half_way
    found["zero-shot, one pass"] = one_pass(models, describe_by_statistics, ONE_PASS)
    by_network = routed_methods(harmonizer, judge)
    found |= by_network
    if loop:
        passes = f"{LOOP.max_passes} passes"
        looped = whole_loop(models, judge, LOOP_PASS, LOOP)
        found |= {
            f"zero-shot, {passes}": looped,
            f"zero-shot, {passes}, words follow": loop_towards(models, judge, LOOP_PASS, FOLLOWING_LOOP, harmonizer),
            "zero-shot loop with proposals": whole_loop(models, judge, LOOP_PASS, DOUBTING_LOOP, harmonizer),
            f"{ROUTED}, then {passes}": then(by_network[ROUTED], looped),
        }
    if oracle:
        found["zero-shot, oracle words"] = one_pass(models, describe_by_truth, ONE_PASS)
        found["oracle mean"] = oracle_mean
    return found


def measure(
    pairs: Iterable[Pair], found: Mapping[str, PairMethod], total: int | None = None, json_file: Path | None = None
) -> Results:
    """Method -> (pair id, foreground ratio, score) of every pair; pairs are read one at a time.

    json_file: written anew after each pair; what it holds already is not measured again, so that a run can go on.
    Raises ValueError when there are none.
    """
    done = read_json(json_file) if json_file and json_file.exists() else {}
    results: Results = defaultdict(list)
    for pair in track(pairs, "pairs", total=total, console=Console(stderr=True)):
        for name, method in found.items():
            known = done.get(name, {}).pop(pair.id, None)
            row = known or (pair.id, pair.foreground_ratio, score(method(pair), pair.truth, pair.mask))
            results[name].append(row)
            if json_file and not known:
                write_json(results, done, json_file)
    if not results:
        raise ValueError("There are no pairs to measure: the index is empty, or the limit is 0.")
    return results


def table(results: Results) -> Table:
    """A row for each method: means over all pairs, and against doing nothing what the means hide."""
    untouched = {pair_id: s for pair_id, _, s in results["nothing"]}
    title = f"Quality, n={len(untouched)}"
    drawn = Table("method", "PSNR, dB", "MSE", "fMSE", *HEADERS, title=title, caption=CAPTION)
    for name, rows in results.items():
        scores = [s for _, _, s in rows]
        mean = mean_score(scores)
        compared = against_nothing(scores, [untouched[pair_id] for pair_id, _, _ in rows])
        drawn.add_row(name, f"{mean.psnr:.2f}", f"{mean.mse:.0f}", f"{mean.fmse:.0f}", *compared.cells())
    return drawn


def area_table(results: Results) -> Table:
    """The same means, apart for small, middle and large objects."""
    counts = Counter(bin_of(ratio) for _, ratio, _ in results["nothing"])
    columns = [f"{100 * low:.0f}-{100 * high:.0f}%" for low, high in BINS]
    headers = (f"{column} (n={counts[column]})" for column in columns)
    drawn = Table("method", *headers, title="By the object's share of the picture: PSNR / MSE / fMSE")
    for name, rows in results.items():
        cells = []
        for column in columns:
            chosen = [s for _, ratio, s in rows if bin_of(ratio) == column]
            m = mean_score(chosen) if chosen else None
            cells.append(f"{m.psnr:.2f} / {m.mse:.0f} / {m.fmse:.0f}" if m else "-")
        drawn.add_row(name, *cells)
    return drawn


def write_json(results: Results, rest: dict[str, dict[str, Row]], path: Path) -> None:
    """rest: what the file held and this run has not come to yet."""
    names = dict.fromkeys((*results, *rest))
    rows = {name: [*results.get(name, []), *rest.get(name, {}).values()] for name in names}
    data = {
        name: [{"id": pair_id, "foreground_ratio": ratio, **vars(s)} for pair_id, ratio, s in found]
        for name, found in rows.items()
    }
    path.write_text(json.dumps(data, indent=1) + "\n")


def read_json(path: Path) -> dict[str, dict[str, Row]]:
    """Method -> pair id -> what write_json wrote of it."""
    return {
        name: {
            row["id"]: (row["id"], row["foreground_ratio"], Score(row["psnr"], row["mse"], row["fmse"])) for row in rows
        }
        for name, rows in json.loads(path.read_text()).items()
    }
