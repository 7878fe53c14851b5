"""`diff-harmonization data COMMAND`, or `python -m diff_harmonization.data COMMAND`: make data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..core.errors import InputError
from .build import Build, build_all
from .cluster import Cluster, GpusOption, RayOption, WorkersOption
from .construction import MANIFEST, clear_parts, collect, find_sources
from .output import PARTLY, JsonOption, Output, ThreadsOption
from .sheet import SHEET, write_sheet

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
    ray: RayOption = "",
    workers: WorkersOption = None,
    gpus: GpusOption = 0.0,
    threads: ThreadsOption = 1,
    json: JsonOption = False,
) -> None:
    """Make composites of real pictures with the embedded inverse model, in iHarmony4's layout.

    Of each composite's candidates the harmony classifier picks the one that belongs least. Needs ComfyUI: set
    COMFYUI_PATH, or run `bootstrap.py test` once.
    """
    output = Output(json)
    with output.errors():
        images, masks, out = (folder.resolve() for folder in (images, masks, out))  # workers may stand elsewhere
        try:
            sources = find_sources(images, masks, gamma)[:limit]
        except InputError as error:
            raise typer.BadParameter(error.message, param_hint=f"--{error.parameter}") from error
        cluster, errors = Cluster(ray, workers, gpus) if ray else None, {}
        with output.progress() as progress:
            task = progress.add_task("pictures", total=len(sources))
            for source, error in build_all(Build(out, subset, seed, candidates, threads), sources, cluster):
                progress.advance(task)
                if error:
                    errors[source.name] = error
                    output.aside.print(f"{source.name}: {error}", markup=False, soft_wrap=True)
        clear_parts(out)  # of those that were killed
        made = [source for source in sources if source.name not in errors]
        if not made:
            raise RuntimeError(f"none of the {len(sources)} pictures could be used")
        parts = collect(made, out, subset)
        write_sheet(out, subset, parts)
        counts = {part: len(names) for part, names in parts.items()}
        words = f"{out}: {', '.join(f'{count} {part}' for part, count in counts.items())}, {MANIFEST}, {SHEET}"
        output.tell(words, result=str(out), errors=errors, **counts)
    if errors:
        raise typer.Exit(PARTLY)


if __name__ == "__main__":
    app()
