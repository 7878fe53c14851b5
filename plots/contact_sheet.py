"""Results side by side: a row for each picture, a column for each method."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ..core.errors import InputError
from .sheet import LABEL, MUTED, SMALL, Sheet

CELL = 300  # pixels: the width and the largest height of a picture
GAP, MARGIN = 12, 24  # between two pictures, around the sheet
TITLES, NAME = 30, 24  # the line of the columns' titles, the line above a row


def plot_contact_sheet(pictures: Sequence[Sequence[Tensor]], names: Sequence[str], titles: Sequence[str]) -> Tensor:
    """A contact sheet.

    Args:
        pictures: rows of pictures [H,W,3], sRGB in 0-1. Those of a row have one size; rows may differ.
        names: one for each row.
        titles: one for each column.

    Returns:
        The sheet, [1,H,W,3] in 0-1.

    Raises:
        InputError: when names or titles do not fit the pictures.
    """
    if len(names) != len(pictures):
        raise InputError("names", f"got {len(names)} names for {len(pictures)} rows of `pictures`.")
    for row in pictures:
        if len(row) != len(titles):
            raise InputError("titles", f"got {len(titles)} titles for a row of {len(row)} `pictures`.")
    heights = [round(row[0].shape[0] * _scale(row[0])) for row in pictures]
    width = 2 * MARGIN + len(titles) * (CELL + GAP) - GAP
    sheet = Sheet(width, 2 * MARGIN + TITLES + sum(NAME + height + GAP for height in heights))
    for column, title in enumerate(titles):
        sheet.text(MARGIN + column * (CELL + GAP), MARGIN + LABEL, title, weight="bold")
    top = MARGIN + TITLES
    for row, name, height in zip(pictures, names, heights, strict=True):
        sheet.text(MARGIN, top + NAME - 8, name, size=SMALL, color=MUTED)
        for column, picture in enumerate(row):
            place = (MARGIN + column * (CELL + GAP), top + NAME, round(picture.shape[1] * _scale(picture)), height)
            sheet.picture(*place).imshow(picture.float().cpu().clamp(0, 1).numpy(), aspect="auto")
        top += NAME + height + GAP
    return sheet.as_image()


def _scale(picture: Tensor) -> float:
    """Brings a picture's longer side to that of a cell."""
    return CELL / max(picture.shape[:2])
