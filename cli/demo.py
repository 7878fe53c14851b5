"""Harmonize one composite on a real ComfyUI server and write the pictures.

python -m diff_harmonization.cli demo --host FOLDER [--image FILE --mask FILE] [--description TEXT]... [--max-passes N]
"""

from __future__ import annotations

import copy
import json
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from PIL import Image, ImageOps
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from .client import Client, StatusError, Workflow, WorkflowError
from .server import PACK, HostServer, device_options

EXAMPLES, API = PACK / "workflows" / "examples", PACK / "workflows" / "api"
# What the files' names begin with -> the workflow that writes them.
WORKFLOWS = {"": API / "harmonize_loop.json", "routed_": API / "harmonize_routed.json"}
COMPARED, COMPARED_SIDE = "compared.png", 800

EXPECTED = {"result.png", "lut.cube", "side_by_side.png"}
# What `fetch` and `run_example` write for the shipped workflows, numbered where there are several.
WRITTEN = re.compile(
    r"composite\.(png|jpe?g|webp)|compared\.png|(routed_)?"
    r"(attention|composites|edit|filmstrip|lut(region\d+)?|pass|result|side_by_side|who_looks_like_it)(_\d+)?\.(png|cube)"
)
MAX_PASSES = 3  # two trials, and one pass that continues from the better one


@dataclass(frozen=True)
class Example:
    name: str
    composite: Path
    mask: Path
    descriptions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for kind, path in (("image", self.composite), ("mask", self.mask)):
            if not path.is_file():
                raise FileNotFoundError(f"There is no {kind} {path}.")


def safe_name(image: Path) -> str:
    """A folder's name for a picture's results: `...png`, whose stem is `..`, must not lead out of the folder."""
    return image.stem.strip(". ") or "picture"


def shipped_example(name: str | None) -> Example:
    """An entry of workflows/examples/index.json; the first one when no name is given."""
    entries = {entry["name"]: entry for entry in json.loads((EXAMPLES / "index.json").read_text(encoding="utf-8"))}
    entry = entries.get(name or next(iter(entries)))
    if entry is None:
        raise ValueError(f"There is no example '{name}'; there are {', '.join(entries)}.")
    return Example(entry["name"], EXAMPLES / entry["composite"], EXAMPLES / entry["mask"], tuple(entry["descriptions"]))


def titles(workflow: Workflow) -> set[str]:
    return {node["_meta"]["title"] for node in workflow.values() if "_meta" in node}


def node_titled(workflow: Workflow, title: str) -> dict[str, Any]:
    for node in workflow.values():
        if node.get("_meta", {}).get("title") == title:
            return node
    raise ValueError(f"The workflow has no node titled '{title}'.")


def with_inputs(
    workflow: Workflow, image: str, mask: str, descriptions: Sequence[str] = (), max_passes: int = MAX_PASSES
) -> Workflow:
    """The workflow for these two uploaded pictures. Descriptions, when given, take the describing node's place, if any.

    A loop has at most `max_passes` passes. Its trials leave at least one pass to continue with.
    """
    workflow = copy.deepcopy(workflow)
    node_titled(workflow, "Composite")["inputs"]["image"] = image
    node_titled(workflow, "Mask")["inputs"]["image"] = mask
    for node in workflow.values():
        if node["class_type"] == "ObjectMask":  # whatever the picture's alpha channel holds
            node["inputs"]["painted"] = node["inputs"]["file"]
    if descriptions and "Describe" in titles(workflow):
        describe = node_titled(workflow, "Describe")
        seed = describe["inputs"].get("seed", 0)
        written = {"text": "\n".join(descriptions), "index": seed}
        describe["class_type"], describe["inputs"] = "DescribePicker", written
    for inputs in (node["inputs"] for node in workflow.values() if {"k", "max_passes"} <= node["inputs"].keys()):
        trials = [inputs["k"], max(1, max_passes - 1), *([len(descriptions)] if descriptions else [])]
        inputs |= {"max_passes": max_passes, "k": min(trials)}
    return workflow


def fetch(client: Client, outputs: dict[str, Any], folder: Path, prefix: str = "") -> list[str]:
    """Download every saved file of a run; `prefix` comes before the names.

    If a node saved several files, they are numbered from 0; if a loop ran it in several passes, from 1. A single file
    loses the number that the host puts behind its name.
    """
    found: dict[tuple[str, str], list[tuple[str, dict[str, str]]]] = {}
    for files in (value for node in outputs.values() for value in node.values()):
        saved = [file for file in files if isinstance(file, dict) and file.get("type") == "output"]
        for index, file in enumerate(saved):
            stem, number, ending = file["filename"].rsplit("_", 2)  # NAME_00001_.png
            found.setdefault((stem, ending), []).append((str(index if len(saved) > 1 else int(number)), file))
    names = []
    for (stem, ending), files in found.items():
        for number, file in files:
            names.append(prefix + (f"{stem}_{number}" if len(files) > 1 else stem) + ending)
            (folder / names[-1]).write_bytes(client.view(file))
    return names


def clear(folder: Path, example: Example) -> None:
    """Delete what an earlier run wrote, since this run might not write it again. The user's own files stay."""
    own = {example.composite.resolve(), example.mask.resolve()}
    for path in folder.iterdir():
        if path.is_file() and WRITTEN.fullmatch(path.name) and path.resolve() not in own:
            path.unlink()


class Bar:
    """The server's messages as one progress bar over the workflow's nodes."""

    def __init__(self, workflow: Workflow, console: Console) -> None:
        self.workflow, self.done = workflow, dict.fromkeys(workflow, 0.0)
        columns = SpinnerColumn(), TextColumn("{task.description:28.28}"), BarColumn(), TimeElapsedColumn()
        self.progress = Progress(*columns, console=console)
        self.task = self.progress.add_task("Starting", total=len(workflow))

    def hear(self, kind: str, data: dict[str, Any]) -> None:
        if kind == "progress_state":
            for node in data["nodes"].values():
                self.done[node["display_node_id"]] = node["value"] / max(node["max"], 1)
        elif kind == "execution_cached":
            self.done.update(dict.fromkeys(data["nodes"], 1.0))
        elif kind == "executing" and data.get("node") in self.workflow:
            node = self.workflow[data["node"]]
            self.progress.update(self.task, description=node.get("_meta", {}).get("title") or node["class_type"])
        elif kind == "execution_success":
            self.done = dict.fromkeys(self.done, 1.0)
        self.progress.update(self.task, completed=sum(self.done.values()))


def run_example(
    host: Path,
    example: Example,
    workflows: Mapping[str, Workflow],
    output: Path,
    console: Console,
    max_passes: int = MAX_PASSES,
) -> Path:
    """Run workflows on `example` and write their pictures to `output/NAME`.

    Args:
        host: ComfyUI's folder.
        example: what they run on.
        workflows: prefix of the names of its files -> a workflow in API form.
        output: takes a folder of the example's name, and the server's log.
        console: shows the progress.
        max_passes: of a loop.

    Returns:
        The example's folder.

    Raises:
        ValueError: when a workflow does not save what every workflow saves.
        RuntimeError: when the server is lost on the way; it names the server's log.
    """
    folder, log = output / example.name, output / "server.log"
    folder.mkdir(parents=True, exist_ok=True)
    console.print(f"Starting ComfyUI; its log is {log}")
    with (
        _naming(log),
        tempfile.TemporaryDirectory() as base,
        HostServer(host, Path(base), log, *device_options()) as client,
    ):
        image = client.upload(example.composite, f"composite{example.composite.suffix}")
        mask = client.upload(example.mask, f"mask{example.mask.suffix}")
        outputs = {}
        for prefix, workflow in workflows.items():
            bar = Bar(workflow, console)
            with bar.progress:
                filled = with_inputs(workflow, image, mask, example.descriptions, max_passes)
                outputs[prefix] = client.run(filled, 3600, bar.hear)
        clear(folder, example)
        saved = [name for prefix, found in outputs.items() for name in fetch(client, found, folder, prefix)]
    missing = {prefix + name for prefix in workflows for name in EXPECTED} - set(saved)
    if missing:
        raise ValueError(
            f"The workflow did not save {', '.join(sorted(missing))}; it saved {', '.join(saved) or 'nothing'}."
        )
    shutil.copyfile(example.composite, folder / f"composite{example.composite.suffix}")
    if len(workflows) > 1:
        compare(example.composite, [folder / f"{prefix}result.png" for prefix in workflows], folder / COMPARED)
    return folder


def compare(composite: Path, results: Sequence[Path], path: Path) -> None:
    """The composite and the results in one row, each COMPARED_SIDE pixels at most."""
    pictures = []
    for file in (composite, *results):
        with Image.open(file) as picture:
            upright = ImageOps.exif_transpose(picture).convert("RGB")  # as the host shows it
            pictures.append(ImageOps.contain(upright, (COMPARED_SIDE, COMPARED_SIDE)))
    gap = 8
    width = sum(picture.width + gap for picture in pictures) - gap
    row = Image.new("RGB", (width, max(picture.height for picture in pictures)), "white")
    left = 0
    for picture in pictures:
        row.paste(picture, (left, 0))
        left += picture.width + gap
    row.save(path)


@contextmanager
def _naming(log: Path) -> Iterator[None]:
    try:
        yield
    except (ConnectionError, TimeoutError, StatusError) as error:
        raise RuntimeError(f"{error} See the server's log, {log}") from error


def main(
    host: Annotated[Path, typer.Option(help="ComfyUI's folder.", envvar="COMFYUI_PATH")],
    image: Annotated[Path | None, typer.Option(help="A composite of your own.")] = None,
    mask: Annotated[Path | None, typer.Option(help="Its mask: white on the pasted object.")] = None,
    description: Annotated[
        list[str] | None,
        typer.Option(help="Such as 'dog & (foreground) bright summer & (background) winter dull'; may be repeated."),
    ] = None,
    example: Annotated[str | None, typer.Option(help="A shipped example; without it, the first.")] = None,
    output: Annotated[Path, typer.Option(help="Folder for the pictures.")] = Path("output"),
    workflow: Annotated[
        Path | None, typer.Option(help="A workflow in API form; without it, the loop's and the routed one.")
    ] = None,
    max_passes: Annotated[int, typer.Option(min=1, help="The loop's passes at most; the paper has 10.")] = MAX_PASSES,
) -> None:
    """Harmonize a composite by the loop and by the routed network; write what both make of it, and each pass."""
    console, start = Console(), time.monotonic()
    if (image is None) != (mask is None):
        raise typer.BadParameter("--image and --mask belong together: give both or neither.")
    try:
        chosen = shipped_example(example) if image is None or mask is None else Example(safe_name(image), image, mask)
        chosen = replace(chosen, descriptions=tuple(description or chosen.descriptions))
        files = WORKFLOWS if workflow is None else {"": workflow}
        graphs = {prefix: json.loads(path.read_text(encoding="utf-8")) for prefix, path in files.items()}
        if chosen.descriptions and not any("Describe" in titles(graph) for graph in graphs.values()):
            raise ValueError("The workflow has no node titled 'Describe', which would take the descriptions.")
        folder = run_example(host, chosen, graphs, output, console, max_passes)
    except (WorkflowError, RuntimeError, ValueError, OSError) as error:
        console.print(f"[red]The demo failed.[/red] {error}", highlight=False)
        raise typer.Exit(1) from None
    for path in sorted(folder.iterdir()):
        console.print(f"  {path}", highlight=False)
    console.print(f"Done in {time.monotonic() - start:.0f} s")
