"""Resident memory of a real server over consecutive prompts."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
from PIL import Image
from rich.table import Table

from ..demo.client import Workflow
from ..demo.server import PACK, HostServer, device_options

WORKFLOW = PACK / "workflows" / "api" / "harmonize_loop.json"
EXAMPLE = PACK / "workflows" / "examples" / "cat_snow"
SIDE = 400  # of the example, pixels
SETTLED = 5  # prompts until everything is loaded
MIB = 1 << 20


def short_loop(composite: str, mask: str) -> Workflow:
    """The shipped loop with few steps: what is allocated does not depend on their number."""
    graph: Workflow = copy.deepcopy(json.loads(WORKFLOW.read_text(encoding="utf-8")))
    graph["composite"]["inputs"]["image"], graph["mask"]["inputs"]["image"] = composite, mask
    graph["invert"]["inputs"]["steps"], graph["refine"]["inputs"]["steps_per_timestep"] = 2, 1
    graph["end"]["inputs"] |= {"k": 2, "max_passes": 3}
    return graph


def resident(host: Path, prompts: int, *options: str) -> Iterator[float]:
    """MiB after each prompt. Every prompt has a picture of a new name, so the host's cache holds nothing of it."""
    with TemporaryDirectory() as folder:
        base = Path(folder)
        for name, source in (("composite", "composite.jpg"), ("mask", "mask.png")):
            with Image.open(EXAMPLE / source) as picture:
                picture.thumbnail((SIDE, SIDE))
                picture.convert("RGB").save(base / f"{name}.png")
        server = HostServer(host, base / "server", base / "server.log", *device_options(), *options)
        with server as client:
            assert server.process is not None
            process = psutil.Process(server.process.pid)
            mask = client.upload(base / "mask.png")
            for index in range(prompts):
                shutil.copy(base / "composite.png", base / f"composite{index}.png")
                client.run(short_loop(client.upload(base / f"composite{index}.png"), mask))
                yield process.memory_info().rss / MIB


def table(values: list[float]) -> Table:
    """A row a prompt; growth is since the prompt at which everything was loaded."""
    drawn = Table("prompt", "resident, MiB", "growth", title="Memory")
    settled = values[min(SETTLED, len(values)) - 1]
    for index, value in enumerate(values, 1):
        growth = f"{100 * (value / settled - 1):+.1f}%" if index > SETTLED else ""
        drawn.add_row(str(index), f"{value:.0f}", growth)
    return drawn
