"""Whether words steer the edit: how the look of objects moves with each word of the vocabulary. Needs the host."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor

from ..core.masks import foreground
from ..core.types import ImagingDescription
from ..data.photos import Photo
from ..description.statistics.appearance import AXES, region_appearance
from ..description.statistics.norms import load_norms
from ..description.statistics.provider import shrink
from ..description.statistics.words import NEUTRAL, offset_of
from ..description.vocabulary import WORDS
from ..host.zero_shot.edit import Models, PassSettings, edit_inverted, invert_view, refine

# What photographers ask for: from the word of the foreground to that of the background. "Noon" is read as the neutral
# word, so "noon -> dusk" is the row "dusk" of the single words.
PAIRS = (
    ("autumn", "winter"),
    ("summer", "winter"),
    ("sunrise", "twilight"),
    ("sunny", "night"),
    ("warm", "cold"),
    ("golden", "icy"),
    ("bright", "dark"),
    ("sunny", "cloudy"),
    ("clear", "foggy"),
    ("green", "red"),
    ("neon", "greyscale"),
)
STRENGTHS = (0.35, 0.7, 1.0)  # of the direct inversion
MAIN = 1  # of them: what the workflows use, and what all columns but "monotonous" are of

Change = tuple[str, str]  # the foreground's word, the background's word


@dataclass(frozen=True)
class Moved:
    """How one photo's object moved when an edit was asked for a change of words."""

    change: Change
    asked: Tensor  # [5] along AXES, what the words ask for, in the spreads of a kind of object
    moved: Tensor  # [S,5], what the edit did at each of STRENGTHS, in the same units

    @property
    def along(self) -> Tensor:
        """How far the object moved in the direction that was asked for, [S]."""
        return self.moved @ self.asked / self.asked.norm()

    @property
    def right(self) -> bool:
        return bool(self.along[MAIN] > 0)

    @property
    def monotonous(self) -> bool:
        """Whether each strength moves the object farther the same way than the one before, from 0 on."""
        steps = torch.cat((torch.zeros(1), self.along)).diff()
        return bool((steps > 0).all() or (steps < 0).all())

    def mean_size(self, named: bool) -> float:
        """The mean movement, either way, on the axes that the words name or on the others; 0 where there is none."""
        sizes = self.moved[MAIN].abs()[(self.asked != 0) == named]
        return sizes.mean().item() if len(sizes) else 0.0


def single_changes() -> list[Change]:
    """A change from the neutral word to every word of the vocabulary that says something of a look."""
    return [(NEUTRAL, word) for word in WORDS if word != NEUTRAL and offset_of([word]).any()]


def asked_offset(change: Change) -> Tensor:
    """What a change of words asks for: [5] along AXES. The neutral word stands for the usual look."""
    before, after = (torch.zeros(len(AXES)) if word == NEUTRAL else offset_of([word]) for word in change)
    return after - before


def measure(models: Models, photos: Sequence[Photo], changes: Sequence[Change], settings: PassSettings) -> list[Moved]:
    """One edit of each photo for each change of words, at each of STRENGTHS.

    Args:
        models: MODEL, CLIP and VAE of one checkpoint.
        photos: natural ones, at least one.
        changes: of words that say something of a look.
        settings: of the pass; its strength is not used.

    Raises:
        ValueError: when there are no photos.
    """
    if not photos:
        raise ValueError("There are no photos to edit: the split has none, or the limit is 0.")
    edits = (one for photo in photos for one in _edits(models, photo, changes, settings))
    return list(track(edits, "edits", total=len(photos) * len(changes), console=Console(stderr=True)))


def _edits(models: Models, photo: Photo, changes: Sequence[Change], settings: PassSettings) -> Iterator[Moved]:
    """The edits of one photo, which share its inversion."""
    image, mask = (plane[None] for plane in shrink(photo.image(), photo.foreground()))
    region, scale = foreground(mask).float(), load_norms().scale
    every = [replace(settings, strength=strength) for strength in STRENGTHS]
    with torch.inference_mode():
        inverted = invert_view(models, image, mask, settings)
    for change in changes:
        before, after = change
        description = ImagingDescription(photo.object, (before,), (after,))
        with torch.inference_mode():
            refined = refine(models, inverted, description, settings)
            results = [edit_inverted(models, image, mask, inverted, refined, each) for each in every]
            looks = region_appearance(torch.cat([image, *results]), region)
        yield Moved(change, asked_offset(change), (looks[1:] - looks[0]) / scale)


def table(found: Sequence[Moved]) -> Table:
    """A row for each change of words, then the means."""
    drawn = Table(
        "words",
        "right direction",
        "moved / asked for",
        "unnamed / named axes",
        "monotonous",
        "most moved beside",
        title="What a change of words does to the look of the object",
        caption=f"A single word is asked for from '{NEUTRAL}'. Strength {STRENGTHS[MAIN]}; monotonous: over "
        f"{', '.join(map(str, STRENGTHS))}. Units: the spread of looks within a kind of object.",
    )
    by_change: dict[Change, list[Moved]] = {}
    for one in found:
        by_change.setdefault(one.change, []).append(one)
    singles, pairs = (
        {change: rows for change, rows in by_change.items() if (change in PAIRS) == paired} for paired in (False, True)
    )
    for section, changes in (("all words", singles), ("all pairs", pairs)):
        for change, rows in changes.items():
            drawn.add_row(_named(change), *_cells(rows))
        if changes:
            drawn.add_section()
            drawn.add_row(section, *_cells([one for rows in changes.values() for one in rows]), end_section=True)
    drawn.add_row("all", *_cells(found))
    return drawn


def _named(change: Change) -> str:
    return f"{change[0]} -> {change[1]}" if change in PAIRS else change[1]


def _cells(rows: Sequence[Moved]) -> tuple[str, str, str, str, str]:
    count = len(rows)
    right, monotonous = (
        100 * sum(marks) / count for marks in zip(*((r.right, r.monotonous) for r in rows), strict=True)
    )
    along, asked = (
        sum(values) / count
        for values in zip(*((r.along[MAIN].item(), r.asked.norm().item()) for r in rows), strict=True)
    )
    named, unnamed = (sum(row.mean_size(side) for row in rows) for side in (True, False))
    return (
        f"{right:.0f}%",
        f"{along:.2f} / {asked:.2f}",
        f"{unnamed / named:.2f}" if named else "-",
        f"{monotonous:.0f}%",
        _beside(rows),
    )


def _beside(rows: Sequence[Moved]) -> str:
    """The axis that moves most where it is not named, and its mean movement with its sign."""
    beside = torch.stack([torch.where(row.asked == 0, row.moved[MAIN], torch.nan) for row in rows]).nanmean(0)
    axis = int(beside.nan_to_num().abs().argmax())
    return f"{AXES[axis]} {beside[axis]:+.2f}"
