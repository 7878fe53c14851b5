"""What the server says of the pack's nodes, as help pages and locales need it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

MODULE = "custom_nodes.diff_harmonization"  # the pack, under the name that its own server gives it
DYNAMIC_COMBO = "COMFY_DYNAMICCOMBO_V3"  # a choice that brings inputs of its own
WIDEST = 10**6  # a larger limit, such as a seed's, tells a reader nothing


@dataclass(frozen=True)
class Socket:
    """An input or an output; `facts` are short notes in English, such as "0 to 2"."""

    name: str
    kind: str
    tooltip: str
    facts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Node:
    id: str
    title: str
    description: str
    category: str
    inputs: tuple[Socket, ...]
    outputs: tuple[Socket, ...]


def own_nodes(object_info: dict[str, Any]) -> list[Node]:
    """The pack's nodes, in the order of their ids."""
    return [
        Node(
            name,
            info["display_name"],
            info["description"],
            info["category"],
            tuple(_inputs(info["input"])),
            tuple(_outputs(info)),
        )
        for name, info in sorted(object_info.items())
        if info["python_module"] == MODULE
    ]


def _inputs(sections: dict[str, Any], prefix: str = "") -> Iterator[Socket]:
    """Those of a choice follow it, named like `provider.model`, each once."""
    for section in ("required", "optional"):
        for name, (kind, *rest) in sections.get(section, {}).items():
            options = rest[0] if rest else {}
            facts = tuple(_facts(options, section == "optional"))
            yield Socket(prefix + name, "COMBO" if kind == DYNAMIC_COMBO else kind, options.get("tooltip", ""), facts)
            if kind == DYNAMIC_COMBO:
                brought = [_inputs(option["inputs"], f"{prefix}{name}.") for option in options["options"]]
                yield from dict.fromkeys(chain(*brought))


def _facts(options: dict[str, Any], optional: bool) -> Iterator[str]:
    least, most, default = options.get("min"), options.get("max"), options.get("default")
    if options.get("forceInput"):
        yield from ("optional",) if optional else ()
        return
    if least is not None and most is not None and most <= WIDEST:
        yield f"{least:g} to {most:g}"
    if isinstance(default, bool):
        yield "default on" if default else "default off"
    elif isinstance(default, int | float):
        yield f"default {default:g}"
    elif default:
        yield f"default {default}"
    elif optional and not options.get("tooltip", "").startswith("Optional."):
        yield "optional"
    if options.get("advanced"):
        yield "advanced"


def _outputs(info: dict[str, Any]) -> Iterator[Socket]:
    rows = zip(info["output_name"], info["output"], info["output_tooltips"], info["output_is_list"], strict=True)
    for name, kind, tooltip, is_list in rows:
        yield Socket(name, kind, tooltip, ("list",) if is_list else ())
