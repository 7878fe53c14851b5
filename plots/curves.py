"""Curves."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from .sheet import Sheet


def loss_curve(losses: Sequence[float], title: str) -> Tensor:
    """A loss over its optimizer steps, as a picture [1,H,W,3] in 0-1."""
    sheet = Sheet(600, 350)
    sheet.figure.set_layout_engine("constrained")
    axes = sheet.figure.subplots()
    axes.plot(range(1, len(losses) + 1), losses, linewidth=1.2)
    axes.set(title=title, xlabel="optimizer step", ylabel="loss")
    axes.grid(alpha=0.3)
    return sheet.as_image()
