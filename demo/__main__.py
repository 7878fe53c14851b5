"""Harmonize one composite on a real ComfyUI server and write the pictures.

python -m diff_harmonization.demo --host FOLDER [--image FILE --mask FILE] [--description TEXT] [--output FOLDER]
"""

from __future__ import annotations

import copy
import json
import re
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from .client import Client, Workflow, WorkflowError
from .server import PACK, HostServer, device_options

EXAMPLES, WORKFLOW = PACK / "workflows" / "examples", PACK / "workflows" / "api" / "harmonize.json"

EXPECTED = {"edit.png", "result.png", "lut.cube", "side_by_side.png"}


@dataclass(frozen=True)
class Example:
    name: str
    composite: Path
    mask: Path
    description: str | None = None

    def __post_init__(self) -> None:
        for kind, path in (("image", self.composite), ("mask", self.mask)):
            if not path.is_file():
                raise FileNotFoundError(f"There is no {kind} {path}.")


def shipped_example(name: str | None) -> Example:
    """An entry of workflows/examples/index.json; the first one when no name is given."""
    entries = {entry["name"]: entry for entry in json.loads((EXAMPLES / "index.json").read_text(encoding="utf-8"))}
    entry = entries.get(name or next(iter(entries)))
    if entry is None:
        raise ValueError(f"There is no example '{name}'; there are {', '.join(entries)}.")
    return Example(entry["name"], EXAMPLES / entry["composite"], EXAMPLES / entry["mask"], entry.get("description"))


def node_titled(workflow: Workflow, title: str) -> dict[str, Any]:
    for node in workflow.values():
        if node.get("_meta", {}).get("title") == title:
            return node
    raise ValueError(f"The workflow has no node titled '{title}'.")


def with_inputs(workflow: Workflow, image: str, mask: str, description: str | None) -> Workflow:
    """The workflow for these two uploaded pictures; a description, when given, takes the describing node's place."""
    workflow = copy.deepcopy(workflow)
    node_titled(workflow, "Composite")["inputs"]["image"] = image
    node_titled(workflow, "Mask")["inputs"]["image"] = mask
    if description:
        describe = node_titled(workflow, "Describe")
        describe["class_type"], describe["inputs"] = "TextDescribe", {"description": description}
    return workflow


def fetch(client: Client, outputs: dict[str, Any], folder: Path) -> list[str]:
    """Download every saved file of a run, without the number that the host puts behind its name."""
    saved = []
    for files in (value for node in outputs.values() for value in node.values()):
        for file in files:
            if isinstance(file, dict) and file.get("type") == "output":
                name = re.sub(r"_\d{5}_(?=\.\w+$)", "", Path(file["filename"]).name)
                (folder / name).write_bytes(client.view(file))
                saved.append(name)
    return saved


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


def harmonize(host: Path, example: Example, workflow: Workflow, output: Path, console: Console) -> Path:
    """Run the workflow on `example` and write its pictures to `output/NAME`; gives that folder."""
    folder = output / example.name
    folder.mkdir(parents=True, exist_ok=True)
    console.print(f"Starting ComfyUI; its log is {output / 'server.log'}")
    with tempfile.TemporaryDirectory() as base:
        server = HostServer(host, Path(base), output / "server.log", *device_options())
        with server as client:
            image = client.upload(example.composite, f"composite{example.composite.suffix}")
            mask = client.upload(example.mask, f"mask{example.mask.suffix}")
            bar = Bar(workflow, console)
            with bar.progress:
                outputs = client.run(with_inputs(workflow, image, mask, example.description), 3600, bar.hear)
            saved = fetch(client, outputs, folder)
    missing = EXPECTED - set(saved)
    if missing:
        raise ValueError(
            f"The workflow did not save {', '.join(sorted(missing))}; it saved {', '.join(saved) or 'nothing'}."
        )
    shutil.copyfile(example.composite, folder / f"composite{example.composite.suffix}")
    return folder


def main(
    host: Annotated[Path, typer.Option(help="ComfyUI's folder.", envvar="COMFYUI_PATH")],
    image: Annotated[Path | None, typer.Option(help="A composite of your own.")] = None,
    mask: Annotated[Path | None, typer.Option(help="Its mask: white on the pasted object.")] = None,
    description: Annotated[
        str | None, typer.Option(help="Such as 'dog & (foreground) bright summer & (background) winter dull'.")
    ] = None,
    example: Annotated[str | None, typer.Option(help="A shipped example; without it, the first.")] = None,
    output: Annotated[Path, typer.Option(help="Folder for the pictures.")] = Path("output"),
    workflow: Annotated[Path, typer.Option(help="A workflow in API form.")] = WORKFLOW,
) -> None:
    """Harmonize a composite, and write the edit, the full-resolution result, the LUT and a comparison."""
    console, start = Console(), time.monotonic()
    if (image is None) != (mask is None):
        raise typer.BadParameter("--image and --mask belong together: give both or neither.")
    try:
        chosen = shipped_example(example) if image is None or mask is None else Example(image.stem, image, mask)
        chosen = Example(chosen.name, chosen.composite, chosen.mask, description or chosen.description)
        graph = json.loads(workflow.read_text(encoding="utf-8"))
        folder = harmonize(host, chosen, graph, output, console)
    except (WorkflowError, RuntimeError, ValueError, OSError) as error:
        console.print(f"[red]The demo failed.[/red] {error}", highlight=False)
        raise typer.Exit(1) from None
    for path in sorted(folder.iterdir()):
        console.print(f"  {path}", highlight=False)
    console.print(f"Done in {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    typer.run(main)
