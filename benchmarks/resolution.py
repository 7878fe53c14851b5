"""The whole way on one picture of full resolution, item by item: the embedded model's passes, and all around them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import numpy as np
import torch
from PIL import Image
from rich.table import Table
from torch import Tensor

from ..color.cube import save_cube
from ..data.photos import read_image, read_mask
from ..description.statistics.provider import alternatives
from ..host.evaluator import load_evaluator
from ..host.zero_shot.edit import Models, PassSettings
from ..host.zero_shot.harmonize import doubting, run_harmonize, take
from ..loop.policy import LoopPolicy
from ..mini.loader import load_mini
from .methods import LOOP_PASS

T = TypeVar("T")
PNG_LEVEL = 4  # the host's SaveImage
PASSES = LoopPolicy(k=2, max_passes=3)  # two trials, and one that continues from the better one, as the demo runs


def measure(composite: Path, mask: Path, settings: PassSettings = LOOP_PASS, passes: LoopPolicy = PASSES) -> Table:
    """Time a run of the loop in one process, as a server would do it once it is up."""
    seconds: dict[str, tuple[float, float]] = {}

    def timed(name: str, work: Callable[[], T]) -> T:
        start = time.perf_counter(), time.process_time()
        result = work()
        seconds[name] = time.perf_counter() - start[0], time.process_time() - start[1]
        return result

    with torch.inference_mode():  # as the host runs nodes
        models = timed("load the model", lambda: Models(*load_mini()))
        judge = timed("load the evaluator", lambda: load_evaluator("embedded"))
        image = timed("read the composite", lambda: read_image(composite)[None])
        plane = timed("read the mask", lambda: read_mask(mask)[None])
        words = timed("describe", lambda: alternatives(image[0], plane[0], "object"))
        policy = doubting(passes)
        run = timed(
            f"{passes.max_passes} passes", lambda: run_harmonize(models, judge, image, plane, words, settings, policy)
        )
        # The first pass's picture, whichever the loop took: the composite itself would need no work.
        done = timed("carry one to full resolution", lambda: take(run, image, plane, 1))
    with TemporaryDirectory() as folder:
        timed("save the picture", lambda: save_png(done.image[0], Path(folder) / "result.png"))
        timed("save the LUT", lambda: save_cube(done.lut, Path(folder) / "lut.cube"))
    height, width = image.shape[1:3]
    threads = torch.get_num_threads()
    table = Table("item", "seconds", "processor", title=f"Full resolution, {width}x{height}, {threads} threads")
    for name, values in seconds.items():
        table.add_row(name, *(f"{value:.2f}" for value in values))
    table.add_row("all", *(f"{sum(values):.2f}" for values in zip(*seconds.values(), strict=True)))
    return table


def save_png(image: Tensor, path: Path) -> None:
    pixels = (image.numpy() * 255).clip(0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(path, compress_level=PNG_LEVEL)
