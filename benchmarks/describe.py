"""How well the statistics provider's words agree with the truth, and what a better description would bring."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor

from ..core.types import ImagingDescription
from ..data.composites import Pasted
from ..data.pairs import Pair
from ..description.statistics.appearance import region_appearance
from ..description.statistics.norms import load_norms
from ..description.statistics.provider import alternatives, alternatives_towards, describe
from ..description.statistics.words import offset_of
from ..description.vocabulary import CATEGORIES
from .baselines import Method
from .methods import describe_by_truth

Words = tuple[str, ...]
Importance = Callable[[Pair], Tensor]  # [H,W], 0 or more, high where the scene looks like the object
METHODS = ("nothing", "zero-shot, one pass", "zero-shot, oracle words")  # of the quality table


@dataclass(frozen=True)
class Described:
    """A pair as the words see it."""

    found: tuple[ImagingDescription, ...]  # the provider's alternatives, its choice first
    true: ImagingDescription  # the background's words name the object in the true photo
    shift: Tensor  # [3], from the composite's to the true mean Lab of the object
    weighed: ImagingDescription | None = None  # the provider's choice where the scene is weighed by importance
    towards: tuple[ImagingDescription, ...] = ()  # the alternatives that lead to a harmonizer's look


def describe_towards(harmonizer: Method) -> Callable[[Pasted], ImagingDescription]:
    """Describes by statistics that lead to the look of a method's result."""
    return lambda pasted: alternatives_towards(harmonizer(pasted), pasted.composite, pasted.mask, pasted.object)[0]


@dataclass(frozen=True)
class Agreement:
    """Of the words of one category, over all pairs."""

    category: str
    said: int  # words that the provider says
    true: int  # words that the truth has
    both: int  # words that both have in the same pair
    equal: float  # share of pairs whose words of this category are the same; two sides without a word are the same
    chance: float  # the same share when the provider's words are given to the pairs at random


def describe_pairs(
    pairs: Iterable[Pair],
    total: int | None = None,
    importance: Importance | None = None,
    harmonizer: Method | None = None,
) -> list[Described]:
    """Each pair's words by statistics: from the whole scene, weighed by an importance, and towards a harmonizer's look.

    Args:
        pairs: at least one.
        total: their number, for the progress.
        importance: None leaves these words out.
        harmonizer: likewise.

    Raises:
        ValueError: when there are no pairs.
    """
    found = []
    for pair in track(pairs, "pairs", total=total, console=Console(stderr=True)):
        true, actual = (region_appearance(image, pair.mask)[:3] for image in (pair.truth, pair.composite))
        words = alternatives(pair.composite, pair.mask, pair.object)
        weights = None if importance is None else importance(pair)
        weighed = None if weights is None else describe(pair.composite, pair.mask, pair.object, weights)
        harmonized = None if harmonizer is None else harmonizer(pair)
        towards = () if harmonized is None else alternatives_towards(harmonized, pair.composite, pair.mask, pair.object)
        found.append(Described(words, describe_by_truth(pair), true - actual, weighed, towards))
    if not found:
        raise ValueError("There are no pairs to describe: the index is empty, or the limit is 0.")
    return found


def agreements(said: Sequence[Words], true: Sequence[Words]) -> list[Agreement]:
    """One entry for each category of which either side has a word; both sequences have one entry for each pair."""
    rows = []
    for category, known in CATEGORIES.items():
        ours, theirs = ([set(words) & set(known) for words in side] for side in (said, true))
        if not any((*ours, *theirs)):
            continue
        equal = sum(a == b for a, b in zip(ours, theirs, strict=True)) / len(ours)
        chance = sum(a == b for a in ours for b in theirs) / len(ours) ** 2
        both = sum(len(a & b) for a, b in zip(ours, theirs, strict=True))
        rows.append(Agreement(category, sum(map(len, ours)), sum(map(len, theirs)), both, equal, chance))
    return rows


def words_tables(described: list[Described]) -> list[Table]:
    """The agreement of the statistics' first words and, where there is a harmonizer, of its first words."""
    true = [d.true.background for d in described]
    sources = {"by statistics": [d.found for d in described], "by the harmonizer": [d.towards for d in described]}
    return [
        _words_table(f"Background words, {source}", [found[0].background for found in each], true)
        for source, each in sources.items()
        if all(each)
    ]


def _words_table(title: str, said: Sequence[Words], true: Sequence[Words]) -> Table:
    drawn = Table("category", "said", "true", "precision", "recall", "equal", "by chance", title=title)
    for row in agreements(said, true):
        precision, recall = (f"{row.both / of:.2f}" if of else "-" for of in (row.said, row.true))
        drawn.add_row(
            row.category, str(row.said), str(row.true), precision, recall, f"{row.equal:.2f}", f"{row.chance:.2f}"
        )
    return drawn


def named_shift(description: ImagingDescription) -> Tensor:
    """The shift [3] of mean Lab that a description asks for: from the foreground's words to the background's."""
    offset = offset_of(description.background) - offset_of(description.foreground)
    return (offset * load_norms().scale)[:3]


def explained(errors: Tensor, shifts: Tensor) -> float:
    """1 - the squared errors' share of the squared shifts; errors [P] squared, shifts [P,3]."""
    return 1 - (errors.sum() / shifts.square().sum()).item()


def shift_table(described: list[Described]) -> Table:
    """How much of the true change of mean Lab the words would explain if an edit followed them exactly."""
    shifts = torch.stack([d.shift for d in described])
    drawn = Table("words", "explained", title="Share of the squared shift of mean Lab that the words explain")
    sources = {"statistics": [d.found for d in described], "harmonizer": [d.towards for d in described]}
    for source, found in sources.items():
        if all(found):
            for name, errors in _errors(found, shifts).items():
                drawn.add_row(f"{source}: {name}", f"{explained(errors, shifts):.2f}")
    weighed = [d.weighed for d in described if d.weighed]
    if weighed:
        drawn.add_row("statistics, weighed by importance", f"{explained(_miss(weighed, shifts), shifts):.2f}")
    drawn.add_row("words of the true photo", f"{explained(_miss([d.true for d in described], shifts), shifts):.2f}")
    return drawn


def _errors(found: Sequence[tuple[ImagingDescription, ...]], shifts: Tensor) -> dict[str, Tensor]:
    """The squared errors [P] of each alternative, and of the better choices among them.

    Args:
        found: each pair's alternatives, at least one; where a pair has fewer than others, they begin anew.
        shifts: [P,3].
    """
    count, nothing = max(map(len, found)), shifts.square().sum(1)
    errors = [_miss([each[index % len(each)] for each in found], shifts) for index in range(count)]
    return {
        **{f"alternative {index}": of for index, of in enumerate(errors)},
        "alternative 0, or nothing where that is better": errors[0].minimum(nothing),
        "the best alternative": torch.stack(errors).amin(0),
        "the best alternative, or nothing": torch.stack([*errors, nothing]).amin(0),
    }


def _miss(descriptions: Sequence[ImagingDescription], shifts: Tensor) -> Tensor:
    """The squared distance [P] of each description's named shift to the true one [P,3]."""
    return (shifts - torch.stack([named_shift(each) for each in descriptions])).square().sum(1)
