"""`batch`: every picture of a folder."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from ...data.cluster import Cluster, GpusOption, RayOption, WorkersOption
from ...data.output import PARTLY, JsonOption, Output, ThreadsOption
from ...data.pictures import WRITTEN
from ..methods import Settings, described
from ..picture import DescribeOption, MethodOption, StrengthOption
from .items import Item, find_items
from .location import Location
from .manifest import Manifest
from .report import CSV, HTML, write_reports
from .run import on_cluster, one_by_one, run_batch
from .work import Job

MANIFEST = "manifest.sqlite"


def batch(
    folder: Annotated[
        str,
        typer.Argument(
            help="With composites/ and masks/, or with NAME.jpg beside NAME_mask.png. A folder, or an fsspec address "
            "such as s3://bucket/folder."
        ),
    ],
    method: MethodOption = "auto",
    captions: Annotated[
        Path | None,
        typer.Option(
            help="For words: a file with a line for each picture in the order of names, such as 'dog bright, dog "
            "dusk'; or with lines NAME, tab, CAPTION."
        ),
    ] = None,
    describe: DescribeOption = "",
    strength: StrengthOption = None,
    out: Annotated[
        str | None, typer.Option(help="Folder or address for the results; by default FOLDER_harmonized.")
    ] = None,
    suffix: Annotated[
        str, typer.Option(help="Kind of the results, such as .jpg. By default .png, and .tif for TIFF files.")
    ] = "",
    cube: Annotated[bool, typer.Option(help="Also a .cube LUT beside each result.")] = False,
    manifest: Annotated[
        Path | None, typer.Option(help=f"What is done is kept here; by default {MANIFEST} among the results.")
    ] = None,
    retry: Annotated[bool, typer.Option(help="Also try again what failed.")] = False,
    ray: RayOption = "",
    workers: WorkersOption = None,
    gpus: GpusOption = 0.0,
    threads: ThreadsOption = 1,
    json: JsonOption = False,
) -> None:
    """Harmonize every picture of a folder. Run the same command again to go on after a stop; nothing is done twice."""
    output = Output(json)
    with output.errors():
        source, results = Location.of(folder), Location.of(out or f"{folder.rstrip('/')}_harmonized")
        settings = Settings(method, strength, describe, threads)
        described("", settings)  # a wrong description is told before the work
        items = _items(source, results, captions, suffix)
        job, begun = Job(source, results, settings, cube), time.monotonic()
        engine = on_cluster(Cluster(ray, workers, gpus)) if ray else one_by_one
        with Manifest(manifest or _beside(results)) as kept, output.progress() as progress:
            task = progress.add_task("pictures")
            done = run_batch(
                job, kept, items, engine, retry, lambda n, total: progress.update(task, completed=n, total=total)
            )
            write_reports(job, kept)
        seconds = time.monotonic() - begun
        each = f", {seconds / done.worked:.2f} s each" if done.worked else ""
        words = (
            f"{done.done} harmonized, {done.failed} failed; {done.worked} of them now, in {seconds:.1f} s{each}\n"
            f"{results.path(HTML)}"
        )
        facts = {"report": results.path(HTML), "table": results.path(CSV), "seconds": round(seconds, 3)}
        output.tell(words, done=done.done, failed=done.failed, worked=done.worked, **facts)
    if done.failed:
        raise typer.Exit(PARTLY)


def _items(source: Location, results: Location, captions: Path | None, suffix: str) -> list[Item]:
    """The pictures that there are, without the results where these lie inside."""
    if suffix and suffix.lower() not in WRITTEN:
        raise ValueError(f"--suffix {suffix}: expected one of {', '.join(WRITTEN)}.")
    if not source.exists():
        raise FileNotFoundError(f"There is no folder {source.url}.")
    own = f"{results.path()}/"
    names = {name: stamp for name, stamp in source.names().items() if not source.path(name).startswith(own)}
    lines = () if captions is None else captions.read_text(encoding="utf-8-sig").splitlines()
    return find_items(names, lines, suffix)


def _beside(results: Location) -> Path:
    if not results.local:
        raise ValueError(f"The results go to {results.url}: name a file on this machine with --manifest.")
    return Path(results.path(MANIFEST))
