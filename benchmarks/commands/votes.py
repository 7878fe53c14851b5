"""Commands that ask people: results on real composites, and the votes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from ...data.photos import Photo, read_photos
from ...host.headless import prepare_host
from .options import PHOTOS

if TYPE_CHECKING:
    from ...data.composites import Composite

app = typer.Typer()


@app.command()
def composites(
    output: Annotated[
        Path, typer.Option(help="Folder to write to. Results in it are kept: use a new folder for other settings.")
    ],
    folder: Annotated[
        Path | None, typer.Argument(help="Folder of composites: index.csv (id,object), NNN.jpg, NNN_mask.png.")
    ] = None,
    photos: Annotated[Path | None, PHOTOS] = None,
    limit: Annotated[int | None, typer.Option(help="Only the first so many composites.")] = None,
    methods: Annotated[
        list[str] | None, typer.Option(help="A method to show; give it once for each. By default all of them.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the order of the votes, and of the sides.")] = 0,
) -> None:
    """Results on real composites, which have no truth: PNG files, a contact sheet, and a page for blind votes.

    Without FOLDER the composites are those of --photos that were held back from the evaluator's training.
    """
    prepare_host()
    from ..composites import METHODS, measure, write_page, write_sheet

    chosen = list(dict.fromkeys(methods or METHODS))
    if unknown := sorted(set(chosen) - set(METHODS)):
        raise typer.BadParameter(f"no method {', '.join(unknown)}; there are {', '.join(METHODS)}")
    if len(chosen) < 2:
        raise typer.BadParameter("votes need two methods or more: give --methods once for each")
    found = _composites(folder, photos)[:limit]
    shown = measure(found, {name: METHODS[name]() for name in chosen}, output)
    write_sheet(shown, output / "sheet.jpg")
    write_page(shown, seed, output / "votes.html")
    Console().print(f"{output}: {len(shown)} composites, sheet.jpg, votes.html")


@app.command()
def votes(
    files: Annotated[list[Path], typer.Argument(help="Files that votes.html saved.", exists=True, dir_okay=False)],
) -> None:
    """Wins, losses, ties and Bradley-Terry scores of the methods, from all votes in the files."""
    from ..votes import read_votes, standings, table

    Console().print(table(standings([vote for file in files for vote in read_votes(file)])))


def _composites(folder: Path | None, photos: Path | None) -> Sequence[Composite | Photo]:
    """The composites to show."""
    from ...data.composites import read_composites

    if folder:
        return read_composites(folder)
    if not photos:
        raise typer.BadParameter("give FOLDER, a folder of composites, or --photos, a photo set")
    return [photo for photo in read_photos(photos, "evaluator_held_back") if not photo.natural]
