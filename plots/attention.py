"""The attention of each word as a picture (paper fig. 11)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..core.masks import binarize_mask, mask_on_grid
from ..methods.zero_shot.word_maps import WordMaps
from .sheet import INK, LABEL, MUTED, SMALL, TITLE, Sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAP, GAP, CAPTION = 150, 10, 26  # pixels: a map's side, what lies between two, the line below each
MARGIN, ROW_NAME, BETWEEN = 28, 66, 34  # around the sheet, left of the maps, between the parts
TOP, BOTTOM = 132, 48  # above and below the maps
BOTH_ROWS = 2 * MAP + CAPTION
COLORS = "inferno"


def plot_word_maps(
    foreground: WordMaps, background: WordMaps, image: Tensor | None = None, mask: Tensor | None = None
) -> Tensor:
    """A heat map for each word, before and after refinement (paper fig. 11).

    Args:
        foreground: the maps of the foreground's words, for B pictures.
        background: the maps of the background's words.
        image: [B,H,W,3] or [1,H,W,3], sRGB in 0-1, to show beside the maps; None shows them alone.
        mask: [B,H,W] or [1,H,W], 1 on the object. Its outline is drawn, and below each map stands its share on the
            object. None leaves both out.

    Returns:
        One sheet for each picture, [B,H',W',3] in 0-1.
    """
    count = len(foreground.before)
    inside = None if mask is None else binarize_mask(mask)
    return torch.cat([_plot(foreground, background, n, _row(image, n), _row(inside, n)) for n in range(count)])


def _row(batch: Tensor | None, index: int) -> Tensor | None:
    return None if batch is None else batch[min(index, len(batch) - 1)].float().cpu()


def _plot(foreground: WordMaps, background: WordMaps, index: int, image: Tensor | None, mask: Tensor | None) -> Tensor:
    blocks = (("Foreground words, for the object", foreground), ("Background words, for the rest", background))
    start = MARGIN + (0 if image is None else BOTH_ROWS + BETWEEN)
    widths = [len(maps.words) * (MAP + GAP) - GAP for _, maps in blocks]
    sheet = Sheet(start + ROW_NAME + sum(widths) + BETWEEN + MARGIN, TOP + 2 * (MAP + CAPTION) + BOTTOM)
    sheet.text(MARGIN, 36, "Where each word attends", size=TITLE, weight="bold")
    if image is not None:
        axes = sheet.picture(MARGIN, TOP, BOTH_ROWS, BOTH_ROWS)
        axes.imshow(image.numpy(), aspect="auto", extent=(0, 1, 1, 0))
        _outline(axes, mask, (0, 1, 1, 0))
    for row, name in enumerate(("before", "after")):
        sheet.text(start + ROW_NAME - 12, TOP + row * (MAP + CAPTION) + MAP / 2, name, ha="right", va="center")
    left = start + ROW_NAME
    for (title, maps), width in zip(blocks, widths, strict=True):
        sheet.text(left, TOP - 48, title, size=LABEL + 1)
        _draw_block(sheet, left, maps, index, mask)
        left += width + BETWEEN
    note = "Bright: the map's own peak. Averaged over heads, layers and noise levels."
    sheet.text(start + ROW_NAME, sheet.height - 18, note, size=SMALL, color=MUTED)
    return sheet.as_image()


def _draw_block(sheet: Sheet, left: int, maps: WordMaps, index: int, mask: Tensor | None) -> None:
    for column, word in enumerate(maps.words):
        x = left + column * (MAP + GAP)
        condition = column >= len(maps.words) - maps.conditions
        style = {"color": INK, "weight": "bold"} if condition else {"color": MUTED}
        sheet.text(x + MAP / 2, TOP - 12, word, size=LABEL, ha="center", **style)
        for row, values in enumerate((maps.before, maps.after)):
            y = TOP + row * (MAP + CAPTION)
            attention = values[index, column].float().cpu()
            _draw_map(sheet.picture(x, y, MAP, MAP), attention, mask)
            if mask is not None:
                share = f"{_share(attention, mask):.1%} on the object"
                sheet.text(x + MAP / 2, y + MAP + 16, share, size=SMALL, color=MUTED, ha="center")


def _draw_map(axes: Axes, attention: Tensor, mask: Tensor | None) -> None:
    extent = (0, attention.shape[1], attention.shape[0], 0)
    peak = float(attention.max())
    axes.imshow(
        attention.numpy(), cmap=COLORS, vmin=0, vmax=peak, extent=extent, aspect="auto", interpolation="bilinear"
    )
    _outline(axes, mask, extent)


def _outline(axes: Axes, mask: Tensor | None, extent: tuple[float, float, float, float]) -> None:
    if mask is not None:
        axes.contour(mask.numpy(), levels=[0.5], colors="white", linewidths=1.2, extent=extent, origin="upper")


def _share(attention: Tensor, mask: Tensor) -> float:
    """The share of a map [h,w] that lies on the object."""
    height, width = attention.shape
    return float((attention * mask_on_grid(mask[None], (height, width))[0]).sum() / attention.sum())
