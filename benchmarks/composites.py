"""Methods side by side on real composites, for which no truth exists: people look and vote. Needs the host."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.progress import track
from torch import Tensor

from ..data.composites import Composite, Pasted, load_pasted
from ..data.photos import Photo, read_image
from ..description.pictures import composite_and_mask, to_picture
from ..host.evaluator import EMBEDDED, load_evaluator
from ..host.routed.harmonizer import load_harmonizer
from ..host.zero_shot.edit import Models
from ..mini.diffharmony.loader import load_diffharmony
from ..mini.loader import load_mini
from ..plots.contact_sheet import CELL, plot_contact_sheet
from .baselines import Method, nothing
from .diffharmony import diffharmony
from .methods import (
    DOUBTING_LOOP,
    FOLLOWING_LOOP,
    LOOP,
    LOOP_PASS,
    ONE_PASS,
    describe_by_statistics,
    loop_towards,
    one_pass,
    whole_loop,
)
from .routed import routed
from .vote_page import Shown, vote_page

SIDE = 1000  # pixels, of the longer side of what people see

# A method is made when it is picked: most load weights.
METHODS: dict[str, Callable[[], Method]] = {
    "composite": lambda: nothing,
    "one_pass": lambda: one_pass(Models(*load_mini()), describe_by_statistics, ONE_PASS),
    "routed": lambda: routed(load_harmonizer(EMBEDDED)),
    "routed_judged": lambda: routed(load_harmonizer(EMBEDDED), load_evaluator(EMBEDDED)),
    "diffharmony": lambda: diffharmony(load_diffharmony()),
    "loop": lambda: whole_loop(Models(*load_mini()), load_evaluator(EMBEDDED), LOOP_PASS, LOOP),
    "loop_following": lambda: loop_towards(
        Models(*load_mini()), load_evaluator(EMBEDDED), LOOP_PASS, FOLLOWING_LOOP, load_harmonizer(EMBEDDED)
    ),
    "one_box": lambda: whole_loop(
        Models(*load_mini()), load_evaluator(EMBEDDED), LOOP_PASS, DOUBTING_LOOP, load_harmonizer(EMBEDDED)
    ),
}


def measure(found: Sequence[Composite | Photo], methods: Mapping[str, Method], output: Path) -> list[Shown]:
    """Run every method on every composite, and write each result as output/METHOD/ID.png.

    A result that is there already is not made again, so that a run can go on, or take up one more method.

    Raises:
        ValueError: when there are no composites.
    """
    if not found:
        raise ValueError("There are no composites to show: the index is empty, or the limit is 0.")
    shown = []
    for source in track(found, "composites", console=Console(stderr=True)):
        pasted = load_pasted(source)
        results = {name: _kept(pasted, method, output / name) for name, method in methods.items()}
        _, mask = composite_and_mask(pasted.composite, pasted.mask, SIDE)
        pictures = {name: composite_and_mask(result, pasted.mask, SIDE)[0] for name, result in results.items()}
        shown.append(Shown(pasted.id, pasted.object, pictures, mask))
    return shown


def _kept(pasted: Pasted, method: Method, folder: Path) -> Tensor:
    """A method's result [H,W,3] in 0-1 as its file has it; the file is written where it is missing."""
    path = folder / f"{pasted.id}.png"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        begun = path.with_suffix(".part")  # an interrupted run leaves no half file that looks like a result
        to_picture(method(pasted)).save(begun, "PNG", compress_level=4)
        begun.replace(path)
    return read_image(path)


def write_sheet(shown: Sequence[Shown], path: Path) -> None:
    """Write a contact sheet, a row for each composite and a column for each method."""
    rows = [[_cell(picture) for picture in one.pictures.values()] for one in shown]
    sheet = plot_contact_sheet(rows, [f"{one.id}: {one.object}" for one in shown], list(shown[0].pictures))
    to_picture(sheet[0]).save(path, quality=92)


def _cell(picture: Image.Image) -> Tensor:
    """[H,W,3] in 0-1, no larger than the sheet shows it."""
    small = picture.copy()
    small.thumbnail((CELL, CELL), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(small)).float() / 255


def write_page(shown: Sequence[Shown], seed: int, path: Path) -> None:
    """Write the page for blind votes; see `vote_page`."""
    path.write_text(vote_page(shown, seed), encoding="utf-8")
