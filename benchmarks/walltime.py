"""Seconds of a pass in each way, with the same narrow model in one run."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

from .passes import STAGES, WAYS, Way
from .shapes import SHAPES, Shape, narrow, random_models


def narrow_sd2(pixels: int) -> Shape:
    """SD2 with a fifth of its channels, for pictures of so many pixels a side, a multiple of 64."""
    return narrow(SHAPES["sd2"], channels=64, width=96, latent=pixels // 8)


@dataclass
class Seconds:
    """Of a pass, by stage: by the clock, and of this process's processor time, which others' work does not lengthen."""

    clock: dict[str, float] = field(default_factory=dict)
    processor: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def mark(self, stage: str) -> Iterator[None]:
        """Around a stage."""
        clock, processor = time.perf_counter(), time.process_time()
        yield
        self.clock[stage] = time.perf_counter() - clock
        self.processor[stage] = time.process_time() - processor


def measure(shape: Shape, ways: Sequence[Way] = WAYS, warm_up: int = 2) -> dict[str, Seconds]:
    """Each way once, in one thread, after a short pass of a few steps that does not count."""
    torch.set_num_threads(1)
    models = random_models(shape)
    found = {}
    for way in track(ways, "ways", console=Console(stderr=True)):
        Way(way.name, way.run, warm_up)(models, shape, Seconds().mark)
        found[way.name] = Seconds()
        way(models, shape, found[way.name].mark)
    return found


def table(found: dict[str, Seconds], shape: Shape) -> Table:
    """Processor seconds by stage, and how many times faster than the first way."""
    drawn = Table("way", *STAGES, "a pass, s", "by the clock", "times faster", title=f"Processor seconds, {shape.name}")
    first = sum(next(iter(found.values())).processor.values())
    for way, seconds in found.items():
        total = sum(seconds.processor.values())
        cells = (f"{seconds.processor.get(stage, 0):.1f}" for stage in STAGES)
        drawn.add_row(way, *cells, f"{total:.1f}", f"{sum(seconds.clock.values()):.1f}", f"{first / total:.1f}x")
    return drawn
