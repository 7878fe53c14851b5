"""The picture of what a data set holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..description.pictures import to_picture
from ..plots.contact_sheet import plot_contact_sheet
from .iharmony4 import Part, Sample

SHEET = "sheet.jpg"
SHOWN = 12  # composites on it


def write_sheet(out: Path, subset: str, parts: Mapping[Part, Sequence[str]]) -> None:
    """Write a contact sheet of the first composites beside their real pictures."""
    samples = [Sample(out / subset, name) for names in parts.values() for name in names][:SHOWN]
    shown = [(sample, sample.pair(None)) for sample in samples]
    rows = [[pair.truth, pair.composite, pair.mask[..., None].expand(-1, -1, 3)] for _, pair in shown]
    sheet = plot_contact_sheet(rows, [sample.name for sample in samples], ["real", "composite", "mask"])
    to_picture(sheet[0]).save(out / SHEET, quality=92)
