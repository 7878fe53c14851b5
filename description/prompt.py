"""The task prompt: what a vision-language model is asked, and how its reply is read (paper eq. 1, fig. 10).

The task is the paper's, the wording is not: the composite and its mask as two pictures; back come the object's name,
words for the foreground and words for the background, out of the vocabulary.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from ..core.errors import InputError
from ..core.types import ImagingDescription
from .parser import EXAMPLE, FORM, make, parse, quoted
from .vocabulary import CATEGORIES, WORDS

TASK = """You are looking at a composite photograph: one object was cut out of some other photograph and pasted in. \
The first picture is the composite. The second picture is its mask: white where the pasted object is, black elsewhere.

Name the pasted object in one word or a few, without adjectives, with letters, spaces and hyphens only. Then say how \
each of two regions looks, in one to four words each, the most telling word first:
- foreground: the pasted object itself, by the light and color it brought along from its own photograph;
- background: everything else, by the light and color of this scene.
The two were usually taken under different conditions; look for the words that tell them apart.

Use only these words for the regions:
{vocabulary}
"""
LINES = """
Reply with exactly {count} {lines}, the most fitting first, each in this form and with nothing before or after it:
{form}
For example:
{example}
"""
FIELDS = "\nGive exactly {count} {descriptions}, the most fitting first.\n"
DISTINCT = "No two may use the same words.\n"
TAKEN = "\nThese descriptions were tried already, do not repeat them:\n{taken}\n"


def task_prompt(count: int = 1, taken: Sequence[ImagingDescription] = (), structured: bool = False) -> str:
    """The prompt for `count` different descriptions of a composite and its mask.

    Args:
        count: how many to ask for.
        taken: descriptions not to repeat.
        structured: the form of the reply is enforced by `reply_schema`, so the prompt does not dictate it.
    """
    vocabulary = "\n".join(f"{category}: {', '.join(words)}" for category, words in CATEGORIES.items())
    plural = "s" if count > 1 else ""
    if structured:
        form = FIELDS.format(count=count, descriptions=f"description{plural}")
    else:
        form = LINES.format(count=count, lines=f"line{plural}", form=FORM, example=EXAMPLE)
    prompt = TASK.format(vocabulary=vocabulary) + form + (DISTINCT if count > 1 else "")
    return prompt + (TAKEN.format(taken="\n".join(map(str, taken))) if taken else "")


def reply_schema(count: int, strict: bool = True) -> dict[str, Any]:
    """JSON schema of a reply with `count` descriptions; `strict` limits the words to the vocabulary."""
    word: dict[str, Any] = {"type": "string"} | ({"enum": list(WORDS)} if strict else {})
    region = {"type": "array", "items": word, "minItems": 1, "maxItems": 4}
    fields = {"object": {"type": "string"}, "foreground": region, "background": region}
    description = {"type": "object", "properties": fields, "required": list(fields)}
    return {"type": "array", "items": description, "minItems": count, "maxItems": count}


def read_reply(text: str, strict: bool = True) -> tuple[ImagingDescription, ...]:
    """The descriptions of a model's reply.

    Args:
        text: JSON after `reply_schema`, or one description in the one-line form on each line.
        strict: as for `parser.parse`.

    Raises:
        ValueError: when any part of the reply is neither, with what came and what was expected.
    """
    body = text.removeprefix("\ufeff").strip()
    if body.startswith("```"):
        body = "\n".join(line for line in body.splitlines() if not line.strip().startswith("```")).strip()
    try:
        return _read_json(body, strict) if body[:1] in ("[", "{") else _read_lines(body, strict)
    except InputError as error:
        raise ValueError(error.message) from None  # the fault is the model's, not an argument's


def _read_lines(body: str, strict: bool) -> tuple[ImagingDescription, ...]:
    return tuple(parse(line, strict) for line in body.splitlines() if line.strip()) or (parse(body, strict),)


def _read_json(body: str, strict: bool) -> tuple[ImagingDescription, ...]:
    try:
        items = json.loads(body)
        parts = [_parts(item) for item in (items if isinstance(items, list) else [items])]
    except (json.JSONDecodeError, KeyError, TypeError, RecursionError):
        raise ValueError(
            "A reply in JSON is a list of descriptions, each with 'object', 'foreground' and 'background'; "
            f"got '{quoted(body)}'."
        ) from None
    return tuple(make(*part, strict) for part in parts)


def _parts(item: dict[str, Any]) -> tuple[str, str, str]:
    """Name, foreground words and background words of one description; a region is a list of words or one string."""
    regions = (item["foreground"], item["background"])
    foreground, background = (" ".join([words] if isinstance(words, str) else words) for words in regions)
    return _letters("".join([item["object"]])), foreground, background


def _letters(name: str) -> str:
    """The name without signs that no object's name may hold, such as digits and dots. Another request costs more."""
    spaced = "".join(sign if unicodedata.category(sign)[0] in "LM" or sign in "'-" else " " for sign in name)
    return " ".join(re.findall(r"[^\s'-]+(?:['-][^\s'-]+)*", spaced))
