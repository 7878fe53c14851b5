"""English texts in another language: a dictionary beside this file, keyed by the English text itself.

So a changed text has no translation until somebody writes it, and a translation of a text that is gone is left over.
Both are told, never passed over.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

FOLDER = Path(__file__).parent


class Language:
    """English by default.

    Args:
        code: the frontend's name of the language, such as `zh`.
        parts: dictionaries from English: "titles" of nodes, "categories", "names" of inputs and outputs (a key may be
            `NODE.name` where one node means something else by it), "texts", and "page", the parts of a help page.
    """

    def __init__(self, code: str = "en", parts: Mapping[str, Mapping[str, str]] | None = None) -> None:
        self.code = code
        self._parts = parts
        self._used: set[tuple[str, str]] = set()
        self.missing: dict[tuple[str, str], None] = {}

    @classmethod
    def of(cls, code: str) -> Language:
        """The language of the file CODE.json."""
        return cls(code, json.loads((FOLDER / f"{code}.json").read_text(encoding="utf-8")))

    def say(self, part: str, english: str) -> str:
        """The translation; the English itself, which is noted as missing, where there is none."""
        if self._parts is None:
            return english
        found = self._parts[part].get(english)
        if not found:
            self.missing[part, english] = None
            return english
        self._used.add((part, english))
        return found

    def name(self, node: str, name: str) -> str:
        """An input's or output's name on the node."""
        own = f"{node}.{name}"
        return self.say("names", own if self._parts is not None and own in self._parts["names"] else name)

    def left_over(self) -> list[tuple[str, str]]:
        """Translations that nothing has asked for."""
        parts = self._parts or {}
        return [(part, english) for part in parts for english in parts[part] if (part, english) not in self._used]
