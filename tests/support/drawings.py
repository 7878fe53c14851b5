"""Workflows as the browser draws them, with their subgraphs unpacked."""

from __future__ import annotations

from typing import Any

ENTRY, EXIT = -10, -20  # a subgraph's ends in its own links


def definitions(drawn: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["id"]: each for each in drawn.get("definitions", {}).get("subgraphs", [])}


def all_nodes(drawn: dict[str, Any]) -> list[dict[str, Any]]:
    """Every box that is no subgraph, in the order in which it goes into a prompt."""
    inner = definitions(drawn)
    found = [node for node in drawn["nodes"] if node["type"] not in inner]
    found += [node for each in inner.values() for node in each["nodes"]]
    return sorted(found, key=lambda node: node["id"])


def sources(drawn: dict[str, Any]) -> dict[tuple[int, str], tuple[int, int]]:
    """(box, input's name) -> (box, output) that feeds it, through the walls of subgraphs."""
    inner = definitions(drawn)
    outer = {node["id"]: inner[node["type"]] for node in drawn["nodes"] if node["type"] in inner}
    on_canvas = {link[0]: link for link in drawn["links"]}

    def canvas_source(link: int) -> tuple[int, int]:
        _, source, output, *_ = on_canvas[link]
        if source not in outer:
            return source, output
        (end,) = (x for x in outer[source]["links"] if (x["target_id"], x["target_slot"]) == (EXIT, output))
        return end["origin_id"], end["origin_slot"]

    found = {}
    for node in drawn["nodes"]:
        for slot in node["inputs"]:
            if slot["link"] is not None and node["id"] not in outer:
                found[node["id"], slot["name"]] = canvas_source(slot["link"])
        if node["id"] in outer:
            definition = outer[node["id"]]
            links = {link["id"]: link for link in definition["links"]}
            for each in definition["nodes"]:
                for slot in each["inputs"]:
                    if slot["link"] is None:
                        continue
                    link = links[slot["link"]]
                    if link["origin_id"] == ENTRY:
                        found[each["id"], slot["name"]] = canvas_source(node["inputs"][link["origin_slot"]]["link"])
                    else:
                        found[each["id"], slot["name"]] = link["origin_id"], link["origin_slot"]
    return found
