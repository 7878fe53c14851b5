"""What full resolution adds to an edit at working size, item by item."""

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

from ..color.apply import apply_lut
from ..color.cube import save_cube
from ..color.fit import fit_lut
from ..core.view import working_view
from ..data.photos import read_image, read_mask
from ..description.statistics.provider import describe

T = TypeVar("T")
PNG_LEVEL = 4  # the host's SaveImage


def measure(composite: Path, mask: Path, size: int = 64) -> Table:
    """Time the stages outside the model on one picture; the edit is stood in for by a fixed change of color."""
    seconds: dict[str, float] = {}

    def timed(name: str, work: Callable[[], T]) -> T:
        start = time.perf_counter()
        result = work()
        seconds[name] = time.perf_counter() - start
        return result

    image = timed("read the composite", lambda: read_image(composite)[None])
    plane = timed("read the mask", lambda: read_mask(mask)[None])
    timed("describe", lambda: describe(image[0], plane[0], "object"))
    view, region = timed("crop", lambda: working_view(image, plane, size))
    edited = (view * torch.tensor([0.8, 0.75, 0.6])).clamp(0, 1)
    lut = timed("LUT fit", lambda: fit_lut(view, edited, region))
    result = timed("LUT application", lambda: apply_lut(image, lut, plane))
    with TemporaryDirectory() as folder:
        timed("save the picture", lambda: save_png(result[0], Path(folder) / "result.png"))
        timed("save the LUT", lambda: save_cube(lut, Path(folder) / "lut.cube"))
    height, width = image.shape[1:3]
    table = Table("item", "seconds", title=f"Full resolution, {width}x{height}")
    for name, value in seconds.items():
        table.add_row(name, f"{value:.2f}")
    table.add_row("all", f"{sum(seconds.values()):.2f}")
    return table


def save_png(image: Tensor, path: Path) -> None:
    pixels = (image.numpy() * 255).clip(0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(path, compress_level=PNG_LEVEL)
