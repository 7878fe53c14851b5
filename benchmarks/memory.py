"""Resident memory of a real server over consecutive prompts, and what its cache keeps of the last one."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
from PIL import Image
from rich.table import Table

from ..cli.client import Client, Workflow
from ..cli.server import PACK, HostServer, device_options

WORKFLOW = PACK / "workflows" / "api" / "harmonize_loop.json"
EXAMPLE = PACK / "workflows" / "examples" / "cat_snow"
SIDE = 400  # of the example, pixels
SETTLED = 5  # prompts until everything is loaded
MIB = 1 << 20
MASK = "mask.png"
MAX_PASSES, LARGER = 3, 5  # of the loop, and when it is run again


@dataclass(frozen=True)
class Reuse:
    """A finished loop, run again with a larger max_passes and nothing else changed."""

    finished: int  # passes of the first run
    reused: int  # of them, those that did not run again

    def __str__(self) -> str:
        return f"{self.reused} of {self.finished} finished passes were reused when only max_passes grew"


def short_loop(composite: str, mask: str) -> Workflow:
    """The shipped loop with few steps: what is allocated does not depend on their number."""
    graph: Workflow = copy.deepcopy(json.loads(WORKFLOW.read_text(encoding="utf-8")))
    graph["composite"]["inputs"]["image"], graph["mask"]["inputs"]["image"] = composite, mask
    graph["invert"]["inputs"]["steps"], graph["refine"]["inputs"]["steps_per_timestep"] = 2, 1
    graph["end"]["inputs"] |= {"k": 2, "max_passes": MAX_PASSES}
    return graph


def measure(host: Path, prompts: int, *options: str) -> tuple[list[float], Reuse]:
    """MiB after each prompt to a server with these options, and then what of a finished loop it runs again."""
    with _server(host, *options) as (client, process, base):
        values = list(resident(client, process, base, prompts))
        return values, reuse(client, base)


def resident(client: Client, process: psutil.Process, base: Path, prompts: int) -> Iterator[float]:
    """MiB after each prompt. Every prompt has a picture of a new name, so the host's cache holds nothing of it."""
    for index in range(prompts):
        client.run(_new_loop(client, base, str(index)))
        yield process.memory_info().rss / MIB


def reuse(client: Client, base: Path) -> Reuse:
    """Runs a loop on a new picture, then again with a larger limit."""
    graph = _new_loop(client, base, "again")
    first, second = (_edits(client, graph, limit) for limit in (MAX_PASSES, LARGER))
    return Reuse(len(first), len(first - second))


def _edits(client: Client, graph: Workflow, max_passes: int) -> set[str]:
    """Ids of the edits that ran: one a pass, named after it."""
    graph["end"]["inputs"]["max_passes"] = max_passes
    ran: set[str] = set()

    def hear(kind: str, data: dict[str, Any]) -> None:
        if kind == "executing" and data.get("display_node") == "edit":
            ran.add(data["node"])

    client.run(graph, on_message=hear)
    return ran


def _new_loop(client: Client, base: Path, name: str) -> Workflow:
    """The short loop on the example under a name that the host has not seen."""
    file = base / f"composite_{name}.png"
    shutil.copy(base / "composite.png", file)
    return short_loop(client.upload(file), MASK)


@contextmanager
def _server(host: Path, *options: str) -> Iterator[tuple[Client, psutil.Process, Path]]:
    """A server, its process, and a folder with the example as composite.png and mask.png."""
    with TemporaryDirectory() as folder:
        base = Path(folder)
        for name, source in (("composite", "composite.jpg"), ("mask", "mask.png")):
            with Image.open(EXAMPLE / source) as picture:
                picture.thumbnail((SIDE, SIDE))
                picture.convert("RGB").save(base / f"{name}.png")
        server = HostServer(host, base / "server", base / "server.log", *device_options(), *options)
        with server as client:
            assert server.process is not None
            client.upload(base / MASK)
            yield client, psutil.Process(server.process.pid), base


def table(values: list[float]) -> Table:
    """A row a prompt; growth is since the prompt at which everything was loaded."""
    drawn = Table("prompt", "resident, MiB", "growth", title="Memory")
    settled = values[min(SETTLED, len(values)) - 1]
    for index, value in enumerate(values, 1):
        growth = f"{100 * (value / settled - 1):+.1f}%" if index > SETTLED else ""
        drawn.add_row(str(index), f"{value:.0f}", growth)
    return drawn
