"""A page to draw on. All plots share its look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DPI = 100
INK, MUTED, FAINT, ACCENT = "#222222", "#767676", "#dcdcdc", "#c8402f"
TITLE, LABEL, SMALL = 15, 11, 9  # points


class Sheet:
    """A white page laid out in pixels, from its top left corner."""

    def __init__(self, width: int, height: int) -> None:
        # Matplotlib takes a second to import; a graph that draws nothing should not wait for it.
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self.width, self.height = width, height
        self.figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="white")
        self.canvas = FigureCanvasAgg(self.figure)

    def text(self, x: float, y: float, text: str, size: float = LABEL, color: str = INK, **style: Any) -> None:
        """Text whose baseline starts at (x, y), unless ha and va say otherwise."""
        self.figure.text(x / self.width, 1 - y / self.height, text, size=size, color=color, **style)

    def axes(self, x: float, y: float, width: float, height: float) -> Axes:
        """A plot whose frame has its top left corner at (x, y)."""
        place = (x / self.width, 1 - (y + height) / self.height, width / self.width, height / self.height)
        return self.figure.add_axes(place)

    def picture(self, x: float, y: float, width: float, height: float) -> Axes:
        """Axes without ticks and frame."""
        axes = self.axes(x, y, width, height)
        axes.set_axis_off()
        return axes

    def as_image(self) -> Tensor:
        """The page as a picture, [1,H,W,3] in 0-1."""
        self.canvas.draw()
        pixels = np.asarray(self.canvas.buffer_rgba())[..., :3].astype(np.float32) / 255
        return torch.from_numpy(pixels)[None]
