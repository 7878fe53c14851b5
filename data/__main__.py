"""`python -m diff_harmonization.data COMMAND`: make data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track

from ..core.errors import InputError

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def data() -> None:
    """Make data sets."""


@app.command()
def build(
    images: Annotated[Path, typer.Option(help="Folder of real pictures.", exists=True, file_okay=False)],
    masks: Annotated[
        Path,
        typer.Option(
            help="Folder of masks, white on the object: NAME.png, or NAME_1.png, NAME_2.png and so on for several "
            "objects of one picture.",
            exists=True,
            file_okay=False,
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder to write to. Run the same command again to continue.")],
    candidates: Annotated[
        int, typer.Option(min=1, help="Composites to choose each from, with seeds of their own. The paper makes 10.")
    ] = 10,
    gamma: Annotated[
        float,
        typer.Option(help="Composites for each mask, about: a picture gets gamma * masks / pictures, rounded up."),
    ] = 1.0,
    subset: Annotated[str, typer.Option(help="Name of the data set's only subset.")] = "HMade",
    seed: Annotated[int, typer.Option(min=0, help="Another seed gives other composites.")] = 0,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many masks.")] = None,
) -> None:
    """Make composites of real pictures with the embedded inverse model, in iHarmony4's layout.

    Of each composite's candidates the harmony classifier picks the one that belongs least. Needs ComfyUI: set
    COMFYUI_PATH, or run `bootstrap.py test` once.
    """
    from ..host.headless import prepare_host

    prepare_host()
    from ..mini.diffharmony.composites import embedded_classifier, embedded_inverse
    from .construction import build_one, collect, find_sources
    from .sheet import write_sheet

    try:
        sources = find_sources(images, masks, gamma)[:limit]
    except InputError as error:
        raise typer.BadParameter(error.message, param_hint=f"--{error.parameter}") from error
    inverse, classifier = embedded_inverse(), embedded_classifier()
    for source in track(sources, "pictures", console=Console(stderr=True)):
        build_one(source, out, subset, seed, candidates, inverse, classifier)
    parts = collect(sources, out, subset)
    write_sheet(out, subset, parts)
    counts = ", ".join(f"{len(names)} {part}" for part, names in parts.items())
    Console().print(f"{out}: {counts}, manifest.json, sheet.jpg")


if __name__ == "__main__":
    app()
