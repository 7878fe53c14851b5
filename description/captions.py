"""Captions of a folder of composites: a line for each picture, in the form of the method's authors or in our own."""

from __future__ import annotations

from ..core.errors import InputError
from ..core.types import ImagingDescription
from .parser import make, object_name, parse

FORM = "OBJECT WORDS, OBJECT WORDS"


def read_caption(line: str) -> tuple[ImagingDescription, ...]:
    """The descriptions of one picture: the pasted object with its words, then the same object with the scene's.

    Alternatives stand between semicolons. Words that the vocabulary does not know stay as they are.

    Args:
        line: `house bright, house dusk; house bright, house cloudy`, or `house & (foreground) bright & (background)
            dusk`, or a mixture.

    Raises:
        InputError: with what came and what was expected.

    >>> [str(description) for description in read_caption("palm tree bright, palm tree dusk; tree bright, tree dark")]
    ['palm tree & (foreground) bright & (background) dusk', 'tree & (foreground) bright & (background) dark']
    """
    parts = [part.strip() for part in line.split(";") if part.strip()]
    if not parts:
        raise InputError("caption", f"got an empty line, expected '{FORM}', for example 'house bright, house dusk'.")
    return tuple(parse(part, strict=False) if "&" in part else _authors_form(part) for part in parts)


def _authors_form(text: str) -> ImagingDescription:
    """A description of the form OBJECT WORDS, OBJECT WORDS: the object is what both sides begin with."""
    sides = [side.split() for side in text.lower().split(",")]
    shared = 0
    if len(sides) == 2:
        longest = min(map(len, sides)) - 1  # at least a word stays for the look
        while shared < longest and sides[0][shared] == sides[1][shared]:
            shared += 1
    if not shared:
        raise InputError(
            "caption",
            f"got '{text}', expected '{FORM}': the object's name and its words, a comma, then the same name and the "
            f"scene's words; for example 'house bright, house dusk'.",
        )
    name, (foreground, background) = " ".join(sides[0][:shared]), (" ".join(side[shared:]) for side in sides)
    return make(name, foreground, background, strict=False)


def read_description(text: str) -> str | tuple[ImagingDescription, ...]:
    """What somebody typed to describe a picture: descriptions as in `read_caption`, or the object's name alone.

    Raises:
        InputError: when it is neither.
    """
    return read_caption(text) if set("&,;") & set(text) else object_name(text)
