"""The one-line form of the task prompt: `dog & (foreground) bright summer & (background) winter dull`."""

from __future__ import annotations

import re

from ..diffusion.types import ImagingDescription
from .vocabulary import CATEGORIES, WORDS

FORM = "OBJECT & (foreground) WORDS & (background) WORDS"
PATTERN = re.compile(
    r"(?P<object>[^&()]+?) ?& ?\(foreground\) ?(?P<fore>[^&()]*?) ?& ?\(background\) ?(?P<back>[^&()]*)"
)


def parse(text: str, strict: bool = True) -> ImagingDescription:
    """Read a description in its one-line form; case, spacing, code fences and a trailing dot are forgiven.

    strict: whether condition words must be in the vocabulary. Raises ValueError with what came and what was expected.
    """
    line = " ".join(text.strip().strip("`").strip().rstrip(".").lower().split())
    match = PATTERN.fullmatch(line)
    if match is None:
        raise ValueError(
            f"A description has the form '{FORM}', for example 'dog & (foreground) bright summer & "
            f"(background) winter dull'; got '{text.strip()}'."
        )
    return make(match["object"], match["fore"], match["back"], strict)


def make(name: str, foreground: str, background: str, strict: bool = True) -> ImagingDescription:
    """A description from its three parts; words may be separated by spaces or commas. Raises ValueError."""
    name = " ".join(name.lower().split())
    if not re.fullmatch(r"[^\W\d_]+(?:[ '-][^\W\d_]+)*", name):
        raise ValueError(f"A description's object is one name in words, such as 'dog' or 'palm tree'; got '{name}'.")
    return ImagingDescription(
        name, split_words("foreground", foreground, strict), split_words("background", background, strict)
    )


def split_words(part: str, text: str, strict: bool) -> tuple[str, ...]:
    words = tuple(dict.fromkeys(text.lower().replace(",", " ").split()))
    if not words:
        raise ValueError(f"A description needs at least one word for the {part}, such as 'bright' or 'sunset'.")
    unknown = [word for word in words if word not in WORDS] if strict else []
    if unknown:
        listing = "; ".join(f"{category}: {', '.join(known)}" for category, known in CATEGORIES.items())
        raise ValueError(
            f"The {part} words {', '.join(map(repr, unknown))} are not in the vocabulary ({listing}). "
            "Use one of these, or turn `strict` off."
        )
    return words
