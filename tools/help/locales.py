"""The names, inputs and texts of the nodes in the form in which the frontend reads translations."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .language import Language
from .schemas import Node, Socket


def node_definitions(nodes: Iterable[Node], language: Language) -> dict[str, Any]:
    """What locales/LANGUAGE/nodeDefs.json holds."""
    return {
        node.id: {
            "display_name": language.say("titles", node.title),
            "description": language.say("texts", node.description),
            "inputs": {_key(socket.name): _socket(node.id, socket, language) for socket in node.inputs},
            "outputs": {str(index): _socket(node.id, socket, language) for index, socket in enumerate(node.outputs)},
        }
        for node in nodes
    }


def main_texts(nodes: Iterable[Node], language: Language) -> dict[str, Any]:
    """What locales/LANGUAGE/main.json holds: the parts of the nodes' categories."""
    parts = sorted({part for node in nodes for part in node.category.split("/")})
    return {"nodeCategories": {part: language.say("categories", part) for part in parts}}


def _socket(node: str, socket: Socket, language: Language) -> dict[str, str]:
    return {"name": language.name(node, socket.name), "tooltip": language.say("texts", socket.tooltip)}


def _key(name: str) -> str:
    """The frontend's key of an input: a dot would begin another level."""
    return name.replace(".", "_")
