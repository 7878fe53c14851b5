"""Curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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


def growth_plot(panels: Mapping[str, tuple[Sequence[int], Mapping[str, Sequence[float]]]], unit: str) -> Tensor:
    """How costs grow, a panel for each thing that is changed, with logarithmic axes: a straight line is a power.

    Args:
        panels: what is changed -> its values, and the costs at them of each way.
        unit: of the costs.

    Returns:
        A picture [1,H,W,3] in 0-1.
    """
    sheet = Sheet(300 * len(panels), 320)
    sheet.figure.set_layout_engine("constrained")
    drawn = sheet.figure.subplots(1, len(panels), sharey=True)
    for axes, (changed, (values, costs)) in zip(drawn, panels.items(), strict=True):
        for way, measured in costs.items():
            axes.plot(values, measured, marker="o", markersize=4, linewidth=1.2, label=way)
        axes.set(xlabel=changed, xscale="log", yscale="log")
        axes.set_xticks(values, [str(value) for value in values])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
    drawn[0].set_ylabel(unit)
    drawn[0].legend()
    return sheet.as_image()
