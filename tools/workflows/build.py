"""Write the shipped workflows in both of ComfyUI's forms from one description of the graph.

    python -m diff_harmonization.tools.workflows http://127.0.0.1:8188

asks a running server for its nodes and writes workflows/NAME.json (UI form) and workflows/api/NAME.json (API form).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeGuard

from ...cli.client import Client
from . import applications, diffharmony, graphs
from .graphs import Group, Node

FOLDER = Path(__file__).resolve().parents[2] / "workflows"
DYNAMIC_COMBO = "COMFY_DYNAMICCOMBO_V3"  # a choice that brings inputs of its own; the first one here brings none
WIDGETS = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO", DYNAMIC_COMBO)
NOTE = "MarkdownNote"  # the browser's own, which no prompt holds
COLUMN, GAP = 340, 40
TITLE = 80  # above a node: its title and the pack's badge
ROOM = {  # below a node, into which it grows when a run gives it text to show
    "LocalDescribe": 100,
    "DescribePicker": 100,
    "HarmonyScore": 20,
    "SaveColorLUT": 40,
    "IterateLoopEnd": 200,
    "Harmonize": 200,
    "HarmonizeInstances": 200,
    "DiffHarmonize": 60,
}
HEAD = 50  # above a group's first node, besides: the group's title


def workflows() -> dict[str, list[Group]]:
    return graphs.workflows() | applications.workflows() | diffharmony.workflows()


class NodeInfo:
    """What the server says of its nodes."""

    def __init__(self, server: str) -> None:
        self.nodes: dict[str, Any] = Client(server).object_info()
        text = {"required": {"text": ["STRING", {"multiline": True}]}}
        self.nodes[NOTE] = {"input": text, "output": [], "output_name": [], "display_name": "Note"}

    def inputs(self, node: Node) -> list[tuple[str, str, dict[str, Any]]]:
        """(name, type, options) in the order of the node."""
        info = self.nodes[node.type]["input"]
        found = []
        for section in ("required", "optional"):
            for name, spec in info.get(section, {}).items():
                kind = "COMBO" if isinstance(spec[0], list) else spec[0]
                found.append((name, kind, spec[1] if len(spec) > 1 else {}))
        return found

    def value(self, node: Node, name: str, kind: str, options: dict[str, Any]) -> Any:
        if name in node.inputs:
            return node.inputs[name]
        if "default" in options:
            return options["default"]
        if kind == DYNAMIC_COMBO:
            return options["options"][0]["key"]
        raise KeyError(f"{node.id} ({node.type}) needs a value for {name} ({kind})")


def is_link(value: Any) -> TypeGuard[tuple[str, int]]:
    return isinstance(value, tuple)


def is_widget(kind: str, options: dict[str, Any]) -> bool:
    return kind in WIDGETS and not options.get("forceInput")


def api_form(groups: list[Group], info: NodeInfo) -> dict[str, Any]:
    graph = {}
    for node in (n for group in groups for column in group.columns for n in column if n.type != NOTE):
        inputs = {}
        for name, kind, options in info.inputs(node):
            if is_widget(kind, options) or name in node.inputs:
                value = info.value(node, name, kind, options)
                inputs[name] = list(value) if is_link(value) else value
        title = node.title or info.nodes[node.type]["display_name"]
        graph[node.id] = {"class_type": node.type, "inputs": inputs, "_meta": {"title": title}}
    return graph


def ui_form(groups: list[Group], info: NodeInfo) -> dict[str, Any]:
    nodes = [node for group in groups for column in group.columns for node in column]
    number = {node.id: index for index, node in enumerate(nodes, 1)}
    links: list[list[Any]] = []
    boxes: dict[str, dict[str, Any]] = {}
    drawn_groups, x = [], 0
    for group in groups:
        left, bottom = x, 0
        x += GAP // 2
        for column in group.columns:
            y = HEAD + TITLE - GAP
            for node in column:
                height = height_of(node, info)
                boxes[node.id] = box(node, number, info, links, [x, y], [COLUMN - GAP, height])
                y += height + ROOM.get(node.type, 0) + TITLE
            bottom = max(bottom, y)
            x += COLUMN
        drawn_groups.append(
            {
                "title": group.title,
                "bounding": [left, 0, x - left - GAP // 2, bottom - TITLE + GAP // 2],
                "color": group.color,
                "font_size": 24,
                "flags": {},
            }
        )
        x += GAP
    for link in links:
        source = next(n for n in nodes if number[n.id] == link[1])
        output = boxes[source.id]["outputs"][link[2]]
        output["links"].append(link[0])
        link[5] = output["type"]  # the input may take any
    return {
        "last_node_id": len(nodes),
        "last_link_id": len(links),
        "nodes": [boxes[node.id] for node in nodes],
        "links": links,
        "groups": drawn_groups,
        "config": {},
        "extra": {},
        "version": 0.4,
    }


def has_control(name: str, options: dict[str, Any]) -> bool:
    """Whether the browser puts its control after the widget: asked for, or by the name alone."""
    return bool(options.get("control_after_generate")) or name == "seed"


def height_of(node: Node, info: NodeInfo) -> int:
    """What the browser gives the node at least, and room for a picture or a text."""
    kinds = [(kind, options) for _, kind, options in info.inputs(node)]
    drawn = sum(is_widget(kind, options) for kind, options in kinds)
    slots = max(len(kinds) - drawn, len(info.nodes[node.type]["output"]))
    # Widgets of the browser's own: an upload button, and a control below whatever is a seed.
    widgets = drawn + sum(bool(options.get("image_upload")) for _, options in kinds)
    widgets += sum(has_control(name, options) for name, _, options in info.inputs(node))
    shown = {
        "LoadImage": 260,
        "LoadImageMask": 260,
        "SaveImage": 260,
        "PreviewImage": 260,
        "PreviewAny": 110,
        NOTE: 120,
    }
    shown |= {"IterateLoopEnd": 360, "Harmonize": 360, "HarmonizeInstances": 360, "DescribePicker": 120}
    return 6 + 20 * slots + (8 + 24 * widgets if widgets else 0) + shown.get(node.type, 0)


def box(
    node: Node, number: dict[str, int], info: NodeInfo, links: list, position: list[int], size: list[int]
) -> dict[str, Any]:
    schema = info.nodes[node.type]
    inputs, values, buttons = [], [], []
    for name, kind, options in info.inputs(node):
        value = info.value(node, name, kind, options) if is_widget(kind, options) else node.inputs.get(name)
        slot: dict[str, Any] = {"name": name, "type": kind, "link": None}
        if is_widget(kind, options):
            slot["widget"] = {"name": name}
            values.append(options.get("default") if is_link(value) else value)
            if has_control(name, options):
                values.append("fixed")  # the browser's own widget below
            if options.get("image_upload"):
                buttons.append("image")  # the upload button stands below all other widgets
        if is_link(value):
            source, output = value
            slot["link"] = len(links) + 1
            links.append([len(links) + 1, number[source], output, number[node.id], len(inputs), kind])
        inputs.append(slot)
    outputs = [
        {"name": name, "type": kind, "links": [], "slot_index": index}
        for index, (name, kind) in enumerate(zip(schema["output_name"], schema["output"], strict=True))
    ]
    drawn = {
        "id": number[node.id],
        "type": node.type,
        "pos": position,
        "size": size,
        "flags": {},
        "order": number[node.id] - 1,
        "mode": 0,
        "inputs": [] if node.type == NOTE else inputs,
        "outputs": outputs,
        "properties": {"Node name for S&R": node.type},
        "widgets_values": values + buttons,
    }
    if node.title:
        drawn["title"] = node.title
    return drawn


def write(server: str) -> None:
    info = NodeInfo(server)
    (FOLDER / "api").mkdir(exist_ok=True)
    for name, groups in workflows().items():
        (FOLDER / f"{name}.json").write_text(json.dumps(ui_form(groups, info), indent=1) + "\n")
        (FOLDER / "api" / f"{name}.json").write_text(json.dumps(api_form(groups, info), indent=1) + "\n")
