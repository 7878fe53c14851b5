"""The pack's methods on iHarmony4, as the papers print them: at 256x256, by subset and by the object's share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from rich.table import Table

from .baselines import Method, color_transfer, nothing
from .composites import METHODS as COMPARED
from .metrics import Score, mean_score
from .quality import Results, Row

METHODS: Mapping[str, Callable[[], Method]] = {
    "nothing": lambda: nothing,
    "color_transfer": lambda: color_transfer("reinhard_lab"),
    **{name: make for name, make in COMPARED.items() if name != "composite"},
}
ALL = "all"


def subset_table(results: Results) -> Table:
    """PSNR, MSE and fMSE by subset, a row for each method: means over pictures, as the papers take them."""
    subsets = list(dict.fromkeys(subset_of(sample) for sample, _, _ in next(iter(results.values()))))
    shown = subsets if len(subsets) == 1 else [*subsets, ALL]
    counts = {name: len(scores_of(next(iter(results.values())), name)) for name in shown}
    table = Table("method", *(f"{name} (n={counts[name]})" for name in shown))
    table.title = "iHarmony4 at 256x256: PSNR / MSE / fMSE"
    for method, rows in results.items():
        means = (mean_score(scores_of(rows, name)) for name in shown)
        table.add_row(method, *(f"{mean.psnr:.2f} / {mean.mse:.1f} / {mean.fmse:.1f}" for mean in means))
    return table


def scores_of(rows: Sequence[Row], subset: str) -> list[Score]:
    """The scores of a subset, or of all."""
    return [score for sample, _, score in rows if subset in (ALL, subset_of(sample))]


def subset_of(sample: str) -> str:
    """HCOCO/c1_2_1 -> HCOCO"""
    return sample.split("/")[0]
