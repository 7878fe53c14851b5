"""The vocabulary words that name a look, and the look that words name.

A look is an *offset* along AXES from what such an object usually looks like, in units of how much objects of one kind
vary. A tree under a bright sky is dark in any photo, so raw statistics mislead.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from ..vocabulary import OBJECTS
from .appearance import AXES

# Canonical words along each axis, as (offset, word) from low to high; offsets nearer to 0 than half of the
# nearest entry have no word.
LEVELS: dict[str, tuple[tuple[float, str], ...]] = {
    "lightness": (
        (-2.0, "dark"),
        (-1.25, "shadowed"),
        (-0.6, "dim"),
        (0.6, "bright"),
        (1.25, "sunny"),
        (2.0, "dazzling"),
    ),
    "yellow_blue": (
        (-2.0, "icy"),
        (-1.25, "cold"),
        (-0.6, "cool"),
        (0.6, "warm"),
        (1.25, "hot"),
        (2.0, "golden"),
    ),
    "red_green": ((-1.4, "green"), (1.4, "red")),
    "chroma": ((-1.6, "greyscale"), (-0.9, "dull"), (1.6, "neon")),
    "contrast": ((-1.6, "foggy"), (-0.9, "misty"), (1.1, "clear")),
}

# Words that speak of several axes at once, or are synonyms of a canonical one.
COMPOUNDS: dict[str, dict[str, float]] = {
    "shaded": {"lightness": -1.2},
    "night": {"lightness": -2.2},
    "space": {"lightness": -2.2, "chroma": -0.6},
    "daylight": {"lightness": 0.3, "yellow_blue": 0.0},
    "white": {"lightness": 1.4, "chroma": -1.0},
    "cloudy": {"lightness": -0.4, "chroma": -0.8},
    "rainy": {"lightness": -0.9, "chroma": -0.8, "yellow_blue": -0.5},
    "stormy": {"lightness": -1.5, "chroma": -0.8},
    "snowy": {"lightness": 0.9, "yellow_blue": -0.9},
    "winter": {"yellow_blue": -1.2, "chroma": -0.3},
    "spring": {"red_green": -0.8, "lightness": 0.4},
    "summer": {"lightness": 0.8, "yellow_blue": 0.7},
    "autumn": {"yellow_blue": 1.0, "red_green": 0.8},
    "dawn": {"lightness": -0.7, "yellow_blue": -0.7},
    "sunrise": {"lightness": 0.2, "yellow_blue": 1.2, "red_green": 0.6},
    "twilight": {"lightness": -1.4, "yellow_blue": -1.0},
    "dusk": {"lightness": -1.4, "yellow_blue": -0.5},
    "sunset": {"lightness": -0.7, "yellow_blue": 1.5, "red_green": 0.7},
    "blue": {"yellow_blue": -1.8, "chroma": 0.5},
    "yellow": {"yellow_blue": 1.6, "red_green": -0.2},
    "orange": {"yellow_blue": 1.8, "red_green": 1.0},
    "earthy": {"yellow_blue": 0.8, "red_green": 0.5, "lightness": -0.6},
    "windy": {},
    "city": {"chroma": -0.3},
    "street": {"chroma": -0.3},
    "rural": {"red_green": -0.4},
    "lake": {"yellow_blue": -0.5},
    "ocean": {"yellow_blue": -0.8},
    "mountain": {"yellow_blue": -0.3},
    "forest": {"red_green": -0.8, "lightness": -0.5},
    "desert": {"yellow_blue": 1.0, "lightness": 0.5},
    "grassland": {"red_green": -0.8},
    "sky": {"yellow_blue": -0.6},
    "indoor": {"lightness": -0.6, "yellow_blue": 0.6},
}

NEUTRAL = "daylight"  # a description needs at least one word for each region


def words_for(offset: Tensor) -> tuple[str, ...]:
    """The canonical words that name an offset from the usual appearance.

    Args:
        offset: [5] along AXES, in units of the spread within one kind of object.

    Returns:
        At least one word, the strongest first; NEUTRAL where nothing stands out.

    >>> words_for(torch.tensor([0.7, 0.0, -1.3, 0.0, 0.0]))
    ('cold', 'bright')
    """
    found: list[tuple[float, str]] = []
    for axis, value in zip(AXES, offset.tolist(), strict=True):
        levels = LEVELS[axis]
        near, word = min(levels, key=lambda level: abs(level[0] - value))
        if near * value > 0 and abs(value) > abs(near) / 2:
            found.append((abs(value), word))
    return tuple(word for _, word in sorted(found, reverse=True)) or (NEUTRAL,)


def matching_compounds(offset: Tensor, tolerance: float = 0.5) -> tuple[str, ...]:
    """Every compound word whose prototype lies near the offset on each axis that it speaks of.

    A word that speaks of none ("windy") always matches: captions teach the model that it changes nothing.

    Args:
        offset: [5] along AXES.
        tolerance: how far the prototype may be from the offset, in the offset's units.
    """
    value = dict(zip(AXES, offset.tolist(), strict=True))
    return tuple(
        word
        for word, prototype in COMPOUNDS.items()
        if all(abs(value[axis] - target) < tolerance for axis, target in prototype.items())
    )


def offset_of(words: Iterable[str]) -> Tensor:
    """The offset [5] that a set of words names: the mean of what they say of each axis, 0 where they say nothing."""
    said: dict[str, list[float]] = {axis: [] for axis in AXES}
    canonical = {word: (axis, level) for axis, levels in LEVELS.items() for level, word in levels}
    for word in words:
        if word in canonical:
            axis, level = canonical[word]
            said[axis].append(level)
        for axis, level in COMPOUNDS.get(word, {}).items():
            said[axis].append(level)
    return torch.tensor([sum(said[axis]) / len(said[axis]) if said[axis] else 0.0 for axis in AXES])


# What the embedded model reads in place of a word of several axes, such as "hot dim" for "sunset". Objects are seldom
# seen in such looks, so it would learn the word badly (`benchmarks words`).
SPELLED_OUT = {
    word: " ".join(axes)
    for word in COMPOUNDS.keys() - OBJECTS  # a sky or a mountain may be the object
    if word != NEUTRAL and (axes := words_for(offset_of((word,)))) != (NEUTRAL,)
}
