"""A node's help page: its schema, and the text about it that stands in `texts/NODE.md`."""

from __future__ import annotations

import re
from pathlib import Path

from .language import Language
from .schemas import Node, Socket

TEXTS = Path(__file__).parent / "texts"
PAPER = "## Paper"
SECTIONS = ("## When to use it", "## Good to know", PAPER)
# The parts of a page in English; other languages have them under "page".
ENTRY = "- **{label}** ({facts}): {text}"
COMMA = ", "


def page(node: Node, language: Language) -> str:
    """The page in Markdown: description, picture, when to use it, inputs, outputs, and the paper's section last.

    Raises:
        FileNotFoundError: there is no text about the node.
        ValueError: the text lacks a section.
    """
    own, paper = _own_text(node.id).split(f"{PAPER}\n", 1)
    title = language.say("titles", node.title)
    blocks = [
        f"# {title}",
        language.say("texts", node.description),
        f"![{title}](pictures/{node.id}.jpg)",
        *_translated(own, language),
        *_list("Inputs", node.id, node.inputs, language),
        *_list("Outputs", node.id, node.outputs, language),
        *_translated(f"{PAPER}\n{paper}", language),
    ]
    return "\n\n".join(blocks) + "\n"


def _own_text(node: str) -> str:
    file = TEXTS / f"{node}.md"
    if not file.is_file():
        raise FileNotFoundError(f"{node} has no help text. Write {file}: {', '.join(SECTIONS)}.")
    text = file.read_text(encoding="utf-8")
    if tuple(re.findall(r"^## .+$", text, re.MULTILINE)) != SECTIONS:
        raise ValueError(f"The help text {file} must have these sections: {', '.join(SECTIONS)}.")
    return text


def paragraphs(text: str) -> list[str]:
    """Headings, paragraphs and points of a text, each on one line.

    >>> paragraphs("## A\\n\\nOne\\ntwo.\\n\\n- three\\n  four\\n- five\\n")
    ['## A', 'One two.', '- three four', '- five']
    """
    found: list[str] = []
    for line in text.splitlines():
        if not line.strip():
            found.append("")
        elif found and found[-1] and not line.startswith(("- ", "#")) and not found[-1].startswith("#"):
            found[-1] += f" {line.strip()}"
        else:
            found.append(line)
    return [line for line in found if line]


def _translated(text: str, language: Language) -> list[str]:
    """The text's blocks; neighboring points are one block."""
    blocks: list[str] = []
    for line in paragraphs(text):
        mark = re.match(r"(?:## |- )?", line)
        assert mark is not None
        written = mark.group() + language.say("page" if mark.group() == "## " else "texts", line[mark.end() :])
        if mark.group() == "- " and blocks and blocks[-1].startswith("- "):
            blocks[-1] += f"\n{written}"
        else:
            blocks.append(written)
    return blocks


def _list(heading: str, node: str, sockets: tuple[Socket, ...], language: Language) -> list[str]:
    if not sockets:
        return []
    entries = []
    for socket in sockets:
        name = language.name(node, socket.name)
        label = f"`{socket.name}`" if name == socket.name else f"{name} `{socket.name}`"
        facts = [socket.kind, *(_fact(fact, language) for fact in socket.facts)]
        text = language.say("texts", socket.tooltip)
        joined = language.say("page", COMMA).join(facts)
        entries.append(language.say("page", ENTRY).format(label=label, facts=joined, text=text))
    return [f"## {language.say('page', heading)}", "\n".join(entries)]


def _fact(fact: str, language: Language) -> str:
    """`0 to 2` and `default 1` by their words; a value stays as it is."""
    if limits := re.fullmatch(r"(\S+) to (\S+)", fact):
        return language.say("page", "{} to {}").format(*limits.groups())
    if (value := fact.removeprefix("default ")) != fact and value not in ("on", "off"):
        return language.say("page", "default {}").format(value)
    return language.say("page", fact)
