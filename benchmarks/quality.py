"""How near each method brings composites to their truths."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from .baselines import Method, color_transfer, nothing, oracle_mean, regression
from .harmonize import Line, describe_by_statistics, describe_by_truth, harmonize
from .metrics import BINS, Score, bin_of, mean_score, score
from .pairs import Pair

Results = dict[str, list[tuple[str, float, Score]]]  # method -> (pair id, foreground ratio, score) of every pair


def methods(photos: Path | None, line: Line, oracle: bool) -> dict[str, Method]:
    """Name -> method; photos: where the regression learns, None leaves it out."""
    from ..mini.loader import load_mini

    handles = load_mini()
    found: dict[str, Method] = {
        "nothing": nothing,
        "ColorTransfer reinhard_lab": color_transfer("reinhard_lab"),
        "ColorTransfer mkl_lab": color_transfer("mkl_lab"),
    }
    if photos is not None:
        found["regression, half-way"] = regression(photos).half_way
    found["ours, statistics"] = lambda pair: harmonize(handles, pair, describe_by_statistics(pair), line)
    if oracle:
        found["ours, oracle words"] = lambda pair: harmonize(handles, pair, describe_by_truth(pair), line)
        found["oracle mean"] = oracle_mean
    return found


def measure(
    pairs: Iterable[Pair], found: dict[str, Method], total: int | None = None, json_file: Path | None = None
) -> Results:
    """Method -> (pair id, foreground ratio, score) of every pair; pairs are read one at a time.

    json_file: written anew after each pair, so that a long run that is cut off leaves what it measured.
    Raises ValueError when there are none.
    """
    results: Results = defaultdict(list)
    for pair in track(pairs, "pairs", total=total, console=Console(stderr=True)):
        for name, method in found.items():
            results[name].append((pair.id, pair.foreground_ratio, score(method(pair), pair.truth, pair.mask)))
        if json_file:
            write_json(results, json_file)
    if not results:
        raise ValueError("There are no pairs to measure: the index is empty, or the limit is 0.")
    return results


def table(results: Results) -> Table:
    columns = ["all", *(f"{100 * low:.0f}-{100 * high:.0f}%" for low, high in BINS)]
    drawn = Table("method", *(f"{c}: PSNR / MSE / fMSE" for c in columns), "fMSE ratio", title="Quality")
    base = mean_score([s for _, _, s in results["nothing"]]).fmse
    for name, rows in results.items():
        cells = []
        for column in columns:
            chosen = [s for _, ratio, s in rows if column in ("all", bin_of(ratio))]
            m = mean_score(chosen) if chosen else None
            cells.append(f"{m.psnr:.2f} / {m.mse:.0f} / {m.fmse:.0f} (n={len(chosen)})" if m else "-")
        fmse = mean_score([s for _, _, s in rows]).fmse
        drawn.add_row(name, *cells, f"{fmse / base:.2f}x" if base else "-")
    return drawn


def write_json(results: Results, path: Path) -> None:
    data = {
        name: [{"id": pair_id, "foreground_ratio": ratio, **vars(s)} for pair_id, ratio, s in rows]
        for name, rows in results.items()
    }
    path.write_text(json.dumps(data, indent=1) + "\n")
