"""The page for blind votes: one HTML file that needs no network and hides which method made which picture."""

from __future__ import annotations

import base64
import io
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from string import Template
from typing import Any

from PIL import ImageChops, ImageFilter
from PIL.Image import Image, merge

TEMPLATE = Path(__file__).with_name("vote_page.html")
LINE, EDGE = 5, 9  # pixels: filters that leave a white line of 2 around the object, and a black one of 2 around that


@dataclass(frozen=True)
class Shown:
    """A composite as people see it; all pictures have one size."""

    id: str
    object: str
    pictures: Mapping[str, Image]  # method -> its result
    mask: Image  # "L", white on the object


def vote_page(shown: Sequence[Shown], seed: int) -> str:
    """The page as HTML: a vote for each composite and each pair of methods.

    The methods' names stand in the page's data, because the saved votes name them, and nowhere in its text.

    Args:
        shown: the composites, each with a picture of every method.
        seed: of the order of the votes and of their sides.
    """
    methods = list(shown[0].pictures)
    data = {
        "methods": methods,
        "composites": [_composite_data(one, methods) for one in shown],
        "ballots": shuffled_ballots(len(shown), len(methods), seed),
    }
    # Inside <script>, only "<" could end the data early.
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(data=json.dumps(data).replace("<", "\\u003c"))


def shuffled_ballots(composites: int, methods: int, seed: int) -> list[tuple[int, int, int]]:
    """(composite, method on the left, method on the right) for each pair of methods on each composite, shuffled."""
    dice = random.Random(seed)
    ballots = []
    for composite in range(composites):
        for pair in combinations(range(methods), 2):
            left, right = dice.sample(pair, 2)
            ballots.append((composite, left, right))
    dice.shuffle(ballots)
    return ballots


def outline(mask: Image) -> Image:
    """A line just outside a mask's object, white with a black edge, on transparent ground ("LA")."""
    inside = mask.point([0] * 128 + [255] * 128)
    line, both = (ImageChops.subtract(inside.filter(ImageFilter.MaxFilter(size)), inside) for size in (LINE, EDGE))
    return merge("LA", (line, both))


def _composite_data(shown: Shown, methods: Sequence[str]) -> dict[str, Any]:
    return {
        "id": shown.id,
        "object": shown.object,
        "pictures": [_data_uri(shown.pictures[method], "JPEG", quality=92, subsampling=0) for method in methods],
        "outline": _data_uri(outline(shown.mask), "PNG"),
    }


def _data_uri(picture: Image, kind: str, **options: int) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"
