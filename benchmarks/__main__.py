"""`python -m diff_harmonization.benchmarks COMMAND`: each command prints one table."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from .headless import prepare_host
from .photos import Split, read_photos

EXAMPLE = Path(__file__).resolve().parent.parent / "workflows" / "examples" / "tree_golden"
app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def benchmarks() -> None:
    """Measure the pack; figures in the README come from here."""


@app.command()
def quality(
    pairs: Annotated[
        Path | None, typer.Option(help="Folder of pairs; by default they are built from --photos.")
    ] = None,
    photos: Annotated[Path | None, typer.Option(help="Photo set (images/, masks/, index.csv).")] = None,
    split: Annotated[Split, typer.Option(help="Photos to build pairs from: tune or report.")] = "report",
    limit: Annotated[int | None, typer.Option(help="Only the first so many pairs.")] = None,
    oracle: Annotated[bool, typer.Option(help="Also with words and means taken from the truth.")] = True,
    json: Annotated[Path | None, typer.Option(help="Write every pair's scores here.")] = None,
) -> None:
    """PSNR, MSE and fMSE of doing nothing, of simple baselines and of the pack."""
    prepare_host()
    from .harmonize import Line
    from .pairs import build_pairs, read_pairs
    from .quality import measure, methods, table, write_json

    if pairs:
        source, count = read_pairs(pairs), limit
    elif photos:
        chosen = read_photos(photos, split)
        source, count = build_pairs(chosen), min(len(chosen), limit or len(chosen))
    else:
        raise typer.BadParameter("give --pairs, a folder of pairs, or --photos, the photo set to build them from")
    results = measure(itertools.islice(source, limit), methods(photos, Line(), oracle), count)
    Console().print(table(results))
    if json:
        write_json(results, json)


@app.command()
def resolution(
    composite: Annotated[Path, typer.Option(help="A large composite.")] = EXAMPLE / "composite.jpg",
    mask: Annotated[Path, typer.Option(help="Its mask.")] = EXAMPLE / "mask.png",
) -> None:
    """Seconds that full resolution adds to an edit at working size, item by item."""
    from .resolution import measure

    Console().print(measure(composite, mask))


@app.command()
def speed(repeats: Annotated[int, typer.Option(help="Runs of each; the fastest counts.")] = 5) -> None:
    """Each saved piece of work against doing it: equal results, and the ratio of times."""
    prepare_host()
    from .speed import table

    Console().print(table(repeats))


if __name__ == "__main__":
    app()
