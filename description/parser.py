"""The one-line form of the task prompt: `dog & (foreground) bright summer & (background) winter dull`."""

from __future__ import annotations

import re
import unicodedata

from ..core.errors import InputError, excerpt
from ..core.types import ImagingDescription
from .vocabulary import CATEGORIES, SYNONYMS, WORDS

FORM = "OBJECT & (foreground) WORDS & (background) WORDS"
EXAMPLE = ImagingDescription("dog", ("bright", "summer"), ("winter", "dull"))
PATTERN = re.compile(
    r"(?P<object>[^&()]+?) ?& ?\(foreground\) ?(?P<fore>[^&()]*?) ?& ?\(background\) ?(?P<back>[^&()]*)"
)
WORD = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")
FENCE = re.compile(r"```[\w+-]*")  # a line of its own, with or without a language
WEIGHT = re.compile(r"\(?[^()&]+:\s*\d*\.?\d+\s*\)")  # (bright:1.3), as prompts of other boxes have it
QUOTED = 200  # characters of a refused text that an error repeats
LONGEST_NAME = 8  # words
LONGEST_WORD = 40  # letters
MOST_WORDS = 20  # in one region; the vocabulary's categories are fewer


def parse(text: str, strict: bool = True) -> ImagingDescription:
    """Read a description in its one-line form.

    Forgiven: case, spacing, commas between words, repeated words, code fences and a trailing dot.

    Args:
        text: the line.
        strict: whether condition words must be in the vocabulary. Otherwise a known synonym becomes its word ("gloomy"
            becomes "dull"), and any other word stays as it is.

    Returns:
        The description. Its words keep their order.

    Raises:
        InputError: with what came and what was expected.

    >>> str(parse("Dog & (foreground) bright, summer & (background) gloomy.", strict=False))
    'dog & (foreground) bright summer & (background) dull'
    """
    line = _single_line(text)
    match = PATTERN.fullmatch(line)
    _refuse_weights("text", line)
    if match is None:
        shown = quoted(text)
        raise InputError("text", f"A description has the form '{FORM}', for example '{EXAMPLE}'; got '{shown}'.")
    try:
        return make(match["object"], match["fore"], match["back"], strict)
    except InputError as error:
        raise InputError("text", error.message) from None


def make(name: str, foreground: str, background: str, strict: bool = True) -> ImagingDescription:
    """A description from its three parts.

    Args:
        name: the object's name, such as "dog" or "palm tree".
        foreground: condition words of the pasted object, separated by spaces or commas.
        background: condition words of the scene.
        strict: as for `parse`.

    Raises:
        InputError: with what came and what was expected.
    """
    for part, text in (("name", name), ("foreground", foreground), ("background", background)):
        _refuse_weights(part, text)
    return ImagingDescription(
        object_name(name), _words("foreground", foreground, strict), _words("background", background, strict)
    )


def object_name(name: str) -> str:
    """An object's name in lower case with single spaces.

    Raises:
        InputError: when it is not one name of letters, hyphens and apostrophes, or a whole text.
    """
    name = " ".join(name.lower().split())
    if (count := len(name.split())) > LONGEST_NAME:
        raise InputError(
            "name", f"A description's object is one name of {LONGEST_NAME} words at most; got {count} words."
        )
    _refuse_long_words("name", name.split())
    if not all(_is_word(part) for part in re.split("[ '-]", name)):
        raise InputError(
            "name", f"A description's object is one name in words, such as 'dog' or 'palm tree'; got '{quoted(name)}'."
        )
    return name


def quoted(text: str) -> str:
    """As much of a text as an error repeats."""
    return excerpt(text, QUOTED)


def parse_lines(text: str, strict: bool = True) -> tuple[ImagingDescription, ...]:
    """Read one description from each line.

    Args:
        text: the lines. Empty ones are skipped, and so is the `>` by which nodes mark the picked description.
        strict: as for `parse`.

    Raises:
        InputError: with the number of the line.
    """
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                found.append(parse(line.strip().removeprefix(">"), strict))
            except InputError as error:
                raise InputError("text", f"line {number}: {error.message}") from None
    return tuple(found)


def _is_word(text: str) -> bool:
    """Whether a text is made of letters; many scripts write some vowels as marks."""
    return text.strip() != "" and all(unicodedata.category(sign)[0] in "LM" for sign in text)


def _refuse_weights(part: str, text: str) -> None:
    if (weight := WEIGHT.search(text)) is not None:
        raise InputError(part, f"Weights such as '{quoted(weight[0].strip())}' are not taken. Write the word alone.")


def _refuse_long_words(part: str, words: list[str]) -> None:
    if (longest := max(map(len, words), default=0)) > LONGEST_WORD:
        raise InputError(part, f"A description's words have {LONGEST_WORD} letters at most; got one of {longest}.")


def _words(part: str, text: str, strict: bool) -> tuple[str, ...]:
    words = text.lower().replace(",", " ").split()
    if not words:
        raise InputError(part, f"A description needs at least one word for the {part}, such as 'bright' or 'sunset'.")
    _refuse_long_words(part, words)
    if not strict:
        words = [SYNONYMS.get(word, word) for word in words]
    known = WORDS.__contains__ if strict else WORD.fullmatch
    unknown = [word for word in dict.fromkeys(words) if not known(word)]
    if unknown:
        raise InputError(part, f"The {part} words {quoted(', '.join(map(repr, unknown)))} {_expected(strict)}")
    words = list(dict.fromkeys(words))
    if len(words) > MOST_WORDS:
        raise InputError(part, f"A description has {MOST_WORDS} words at most for the {part}; got {len(words)}.")
    return tuple(words)


def _single_line(text: str) -> str:
    """Without fences and a trailing dot, in lower case, with single spaces."""
    lines = [line for line in text.strip().splitlines() if not FENCE.fullmatch(line.strip())]
    line = " ".join(" ".join(lines).lower().split())
    ticks = re.fullmatch(r"(`+) ?([^`]*) ?\1", line)
    line = ticks[2] if ticks else line
    return line.strip().removesuffix(".").rstrip()


def _expected(strict: bool) -> str:
    if not strict:
        return "are no words: letters, digits, hyphens and apostrophes make a word."
    listing = "; ".join(f"{category}: {', '.join(known)}" for category, known in CATEGORIES.items())
    return f"are not in the vocabulary ({listing}). Use one of these, or turn `strict` off."
