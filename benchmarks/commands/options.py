"""The options that several commands share, and what they stand for."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ...data.photos import Photo, Split, read_natural

if TYPE_CHECKING:
    from ...data.pairs import Pair, Recipe

ScoresFile = Annotated[
    Path | None,
    typer.Option(
        help="Write every pair's scores to this file, and continue from those in it. Use a new file for other settings."
    ),
]
PHOTOS = typer.Option(help="Photo set (images/, masks/, index.csv).", envvar="HARMONY_PHOTOS")
PairsOption = Annotated[Path | None, typer.Option(help="Folder of pairs; by default they are built from --photos.")]
RecipeOption = Annotated[
    Literal["looks", "light"],
    typer.Option(
        help="How the objects of built pairs are recolored. looks: an object takes the look of another object of its "
        "kind, or its tones in Lab are changed at random. light: exposure, white balance and contrast are changed at "
        "random in linear light. Pairs of a folder stay as they are."
    ),
]
EXAMPLE = Path(__file__).resolve().parents[2] / "workflows" / "examples" / "tree_golden"
SplitOption = Annotated[
    Split, typer.Option(help="Photos to build pairs from: tune, report, or train, which the networks learned from.")
]
LimitOption = Annotated[int | None, typer.Option(help="Only the first so many pairs.")]


def natural_photos(photos: Path, split: Split, limit: int) -> list[Photo]:
    """So many natural photos, evenly from the split."""
    natural = read_natural(photos, split)
    return natural[:: max(1, len(natural) // max(1, limit))][:limit]


def pairs_of(
    pairs: Path | None, photos: Path | None, split: Split, limit: int | None, recipe: Recipe
) -> tuple[Iterator[Pair], int | None]:
    """The pairs to measure, and their number where it is known."""
    from ...data.pairs import build_pairs, read_pairs

    if pairs:
        return itertools.islice(read_pairs(pairs), limit), limit
    if not photos:
        raise typer.BadParameter("give --pairs, a folder of pairs, or --photos, the photo set to build them from")
    chosen = read_natural(photos, split)
    return itertools.islice(build_pairs(chosen, recipe=recipe), limit), min(len(chosen), limit or len(chosen))
