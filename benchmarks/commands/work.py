"""Commands that ask what a pass costs: time, FLOPs, memory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from ...host.headless import find_host, prepare_host
from .options import EXAMPLE, PHOTOS, LimitOption, PairsOption, RecipeOption, SplitOption, natural_photos, pairs_of

app = typer.Typer()


@app.command()
def speed(
    repeats: Annotated[int, typer.Option(help="Runs of each; the fastest counts. Without --size alone.")] = 5,
    size: Annotated[
        Literal["sd15", "sd2", "sdxl", "narrow"] | None,
        typer.Option(
            help="sd15, sd2, sdxl: rows, FLOPs and estimated memory of a pass at that size, on the meta device. "
            "narrow: seconds of a pass on an SD2 of few channels, which takes one and a half hours."
        ),
    ] = None,
    pixels: Annotated[
        int,
        typer.Option(
            help="Of --size narrow: the picture's side. 256 takes a sixth of the time. At 128 more time passes between "
            "operations than in them."
        ),
    ] = 512,
) -> None:
    """Each saved piece of work against doing it: equal results, and the ratio of times. With --size: a pass in the
    order of work of the method's authors (reference) against the pack's exact and fast ones, in one run."""
    prepare_host()
    if size is None:
        from ..speed import table

        Console().print(table(repeats))
    elif size == "narrow":
        from .. import walltime

        shape = walltime.narrow_sd2(pixels)
        Console().print(walltime.table(walltime.measure(shape), shape))
    else:
        from .. import flops, peaks
        from ..shapes import SHAPES

        cost = flops.costs(SHAPES[size])
        Console().print(peaks.table(size), flops.row_table(size, cost))
        found = flops.measure(size)
        Console().print(flops.rows_table(found), flops.flops_table(size, found, cost))


@app.command()
def growth(
    plot: Annotated[Path | None, typer.Option(help="Write a plot here, as a PNG file.")] = None,
) -> None:
    """How the FLOPs of a pass grow with the picture, the steps, the words and the passes, at SD2's full size."""
    prepare_host()
    from ...data.construction import write_picture
    from ...plots.curves import growth_plot
    from ..growth import measure, table

    found = measure()
    Console().print(table(found))
    if plot is not None:
        panels = {axis.name: (axis.values, tflops) for axis, tflops in found.items()}
        write_picture(growth_plot(panels, "TFLOP")[0], plot)


@app.command()
def fast(
    pairs: PairsOption = None,
    photos: Annotated[Path | None, PHOTOS] = None,
    split: SplitOption = "report",
    limit: LimitOption = 12,
    recipe: RecipeOption = "looks",
    steps: Annotated[int, typer.Option(help="DDIM steps; the paper's are 50. The last row takes 40% of them.")] = 50,
    null_text: Annotated[bool, typer.Option(help="Also two ways with null-text, which take most of the time.")] = False,
) -> None:
    """What each approximation of `fast` costs in quality, beside what it saves in time, on the embedded model."""
    prepare_host()
    from ...host.zero_shot.edit import Models
    from ...mini.loader import load_mini
    from ..fast import compare, table

    source, count = pairs_of(pairs, photos, split, limit, recipe)
    Console().print(table(compare(Models(*load_mini()), source, count, steps, null_text)))


@app.command()
def crop(
    photos: Annotated[Path, PHOTOS],
    split: SplitOption = "tune",
    limit: Annotated[int, typer.Option(help="So many photos, evenly from the split.")] = 12,
) -> None:
    """What the edge terms of null-text optimization lose where only the object and a margin are decoded (`fast`)."""
    prepare_host()
    from ..crop import measure, table

    Console().print(table(measure(natural_photos(photos, split, limit))))


@app.command()
def resolution(
    composite: Annotated[Path, typer.Option(help="A large composite.")] = EXAMPLE / "composite.jpg",
    mask: Annotated[Path, typer.Option(help="Its mask.")] = EXAMPLE / "mask.png",
) -> None:
    """Seconds of the loop's three passes on one large picture, item by item, as a server that is up does them."""
    prepare_host()
    from ..resolution import measure

    Console().print(measure(composite, mask))


@app.command()
def memory(
    prompts: Annotated[int, typer.Option(help="Prompts, one after the other.")] = 30,
    classic: Annotated[bool, typer.Option(help="With the server's --cache-classic.")] = False,
) -> None:
    """Resident memory of a real server after each of many prompts, and how many passes its cache serves again."""
    from ..memory import measure, table

    values, reuse = measure(find_host(), prompts, *(("--cache-classic",) if classic else ()))
    Console().print(table(values), str(reuse))
