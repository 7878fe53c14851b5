"""How the work of a pass grows with the picture, the steps, the words and the passes: FLOPs at SD2's full size."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from rich.table import Table

from ..core.types import ImagingDescription
from .counting import Rows, count_rows
from .flops import COUNTED_AT, Cost, costs, stage_flops
from .passes import DESCRIPTION, Way, exact, fast
from .shapes import SHAPES, Shape, narrow, random_models, shallow

WAYS = {"exact": exact, "fast": fast}
STEPS, PIXELS = 50, 512  # of the pass from which one thing at a time is changed
WORDS = ("bright", "summer", "warm", "sunny", "golden", "clear", "vivid", "calm")


@dataclass(frozen=True)
class Axis:
    """One thing that is changed."""

    name: str
    values: tuple[int, ...]


RESOLUTION, STEP_COUNT = Axis("side, pixels", (256, 384, 512, 768, 1024)), Axis("DDIM steps", (10, 20, 30, 50, 100))
WORD_COUNT, PASS_COUNT = Axis("words of a region", (1, 2, 4, 8)), Axis("passes", (1, 2, 3))
Growth = dict[Axis, dict[str, list[float]]]  # axis -> way -> TFLOP at each of its values


def measure(cost_at: Callable[[Shape], Cost] = costs) -> Growth:
    """TFLOP of both ways along each axis: rows as counted on a narrow model, times a row's cost at full size."""
    full, shape = SHAPES["sd2"], shallow(narrow(SHAPES["sd2"], **COUNTED_AT))
    models = random_models(shape)
    at = {side: cost_at(replace(full, latent=side // 8)) for side in RESOLUTION.values}
    usual = at[PIXELS]
    found: Growth = {axis: {} for axis in (RESOLUTION, STEP_COUNT, WORD_COUNT, PASS_COUNT)}
    for name, run in WAYS.items():

        def rows(steps: int = STEPS, words: ImagingDescription = DESCRIPTION, name: str = name, run=run) -> Rows:
            return count_rows(Way(name, run, steps, words), models, shape)

        one = rows()
        found[RESOLUTION][name] = [tera(one, at[side]) for side in RESOLUTION.values]
        found[STEP_COUNT][name] = [tera(rows(steps), usual) for steps in STEP_COUNT.values]
        found[WORD_COUNT][name] = [tera(rows(words=described(count)), usual) for count in WORD_COUNT.values]
        # One after the other, on the same models.
        passes = [tera(each, usual) for each in (one, *(rows() for _ in range(PASS_COUNT.values[-1] - 1)))]
        found[PASS_COUNT][name] = [sum(passes[:count]) for count in PASS_COUNT.values]
    return found


def tera(rows: Rows, cost: Cost) -> float:
    """TFLOP of all stages."""
    return sum(stage_flops(rows, cost).values()) / 1e12


def described(count: int) -> ImagingDescription:
    """A description with so many words for each region."""
    return ImagingDescription(DESCRIPTION.object, WORDS[:count], WORDS[:count])


def sentence(axis: Axis, tflops: Mapping[str, Sequence[float]]) -> str:
    """How it grows, from the first value to the last."""
    first, last = axis.values[0], axis.values[-1]
    told = ", ".join(f"{values[-1] / values[0]:.2f}x ({name})" for name, values in tflops.items())
    return f"{axis.name}, {first} -> {last} ({last / first:g}x): {told}"


def table(found: Growth) -> Table:
    """TFLOP of a pass along each axis, and the sentences below."""
    drawn = Table("changed", "to", *WAYS, title=f"TFLOP, SD2, else {PIXELS} pixels and {STEPS} steps")
    for axis, tflops in found.items():
        for index, value in enumerate(axis.values):
            drawn.add_row(axis.name, f"{value}", *(f"{values[index]:.1f}" for values in tflops.values()))
    drawn.caption = "\n".join(sentence(axis, tflops) for axis, tflops in found.items())
    return drawn
