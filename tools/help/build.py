"""Write the nodes' help pages, and their names in every language, from the server's schemas and the texts beside this.

    python -m diff_harmonization.tools.help http://127.0.0.1:8188

asks a running server for its nodes and writes web/docs/NODE.md, web/docs/NODE/LANGUAGE.md and locales/LANGUAGE/*.json.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .language import Language
from .locales import main_texts, node_definitions
from .pages import page
from .schemas import own_nodes

ROOT = Path(__file__).resolve().parents[2]
TRANSLATIONS = ("zh",)


def files(object_info: dict[str, Any]) -> dict[str, str]:
    """Every file's content by its path from the pack's root.

    Raises ValueError with all that a language lacks, or has left over.
    """
    nodes = own_nodes(object_info)
    found = {}
    for language in (Language(), *map(Language.of, TRANSLATIONS)):
        for node in nodes:
            path = f"{node.id}.md" if language.code == "en" else f"{node.id}/{language.code}.md"
            found[f"web/docs/{path}"] = page(node, language)
        texts = {"nodeDefs": node_definitions(nodes, language), "main": main_texts(nodes, language)}
        found |= {f"locales/{language.code}/{name}.json": _json(content) for name, content in texts.items()}
        _check(language)
    return found


def write(contents: dict[str, str]) -> None:
    for path, content in contents.items():
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(content, encoding="utf-8")


def _json(content: Any) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _check(language: Language) -> None:
    problems = {"has no": language.missing, "has left over": language.left_over()}
    lines = [f"{language.code} {what} {part}: {text}" for what, texts in problems.items() for part, text in texts]
    if lines:
        raise ValueError("\n".join(lines))
