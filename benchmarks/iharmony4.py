"""The pack's methods on iHarmony4, as the papers print them: at 256x256, by subset and by the object's share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from rich.table import Table

from ..host.evaluator import EMBEDDED, load_evaluator
from ..host.routed.harmonizer import load_harmonizer
from ..host.zero_shot.edit import Models
from ..mini.diffharmony.loader import load_diffharmony
from ..mini.loader import load_mini
from .baselines import Method, color_transfer, nothing
from .diffharmony import diffharmony
from .methods import DOUBTING_LOOP, LOOP, LOOP_PASS, ONE_PASS, describe_by_statistics, one_pass, whole_loop
from .metrics import Score, mean_score
from .quality import Results, Row
from .routed import routed

# A method is made when it is picked: most load weights.
METHODS: Mapping[str, Callable[[], Method]] = {
    "nothing": lambda: nothing,
    "color_transfer": lambda: color_transfer("reinhard_lab"),
    "one_pass": lambda: one_pass(Models(*load_mini()), describe_by_statistics, ONE_PASS),
    "routed": lambda: routed(load_harmonizer(EMBEDDED)),
    "routed_judged": lambda: routed(load_harmonizer(EMBEDDED), load_evaluator(EMBEDDED)),
    "diffharmony": lambda: diffharmony(load_diffharmony()),
    "loop": lambda: whole_loop(Models(*load_mini()), load_evaluator(EMBEDDED), LOOP_PASS, LOOP),
    "one_box": lambda: whole_loop(
        Models(*load_mini()), load_evaluator(EMBEDDED), LOOP_PASS, DOUBTING_LOOP, load_harmonizer(EMBEDDED)
    ),
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
