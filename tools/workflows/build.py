"""Write the shipped workflows in both of ComfyUI's forms from one description of the graph.

    python -m diff_harmonization.tools.workflows http://127.0.0.1:8188

asks a running server for its nodes and writes workflows/NAME.json (UI form) and workflows/api/NAME.json (API form).
"""

from __future__ import annotations

import copy
import json
import uuid
from pathlib import Path
from typing import Any, TypeGuard

from ...cli.client import Client
from . import applications, diffharmony, graphs
from .graphs import Group, Node, Subgraph, nodes_of
from .lanes import lanes
from .models import PUBLIC

FOLDER = Path(__file__).resolve().parents[2] / "workflows"
SUBGRAPHS = FOLDER.parent / "subgraphs"
BLUEPRINTS = {"harmonize": "One pass: invert, refine, edit", "paste_object": "Paste an object"}  # workflow -> subgraph
ENTRY, EXIT = -10, -20  # the browser's ids of a subgraph's ends
COMPARE = "IMAGECOMPARE"  # a widget without a value of the user's
DYNAMIC_COMBO = "COMFY_DYNAMICCOMBO_V3"  # a choice that brings inputs of its own; the first one here brings none
WIDGETS = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO", DYNAMIC_COMBO, COMPARE)
NOTE = "MarkdownNote"  # the browser's own, which no prompt holds
COLUMN, GAP = 340, 40
TITLE = 66  # above a node: its title, and what Nodes 2.0 draws below the node before: the pack's badge, a footer
ROOM = {  # below a node, into which it grows when a run gives it text or a picture to show
    "LoadImage": -30,  # Nodes 2.0 draws them no taller, and the next one has no badge
    "LoadImageMask": -16,
    "SaveImage": 90,
    "PreviewImage": 60,
    "RoutedHarmonize": 100,
    "LocalDescribe": 100,
    "GeminiDescribe": 100,
    "ObjectMask": 54,
    "TextDescribe": 40,
    "LoadHarmonyVAE": 20,
    "DescribePicker": 100,
    "HarmonyScore": 20,
    "SaveColorLUT": 40,
    "IterateLoopEnd": 200,
    "Harmonize": 200,
    "HarmonizeInstances": 200,
    "DiffHarmonize": 100,
}
HEAD = 42  # above a group's first node, besides: the group's title


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
        if kind == COMPARE:
            return ["", ""]
        if kind == DYNAMIC_COMBO:
            return options["options"][0]["key"]
        raise KeyError(f"{node.id} ({node.type}) needs a value for {name} ({kind})")


def is_link(value: Any) -> TypeGuard[tuple[str, int]]:
    return isinstance(value, tuple)


def is_widget(kind: str, options: dict[str, Any]) -> bool:
    return kind in WIDGETS and not options.get("forceInput")


def api_form(groups: list[Group], info: NodeInfo) -> dict[str, Any]:
    graph = {}
    for node in (n for n in nodes_of(groups) if n.type != NOTE):
        inputs = {}
        for name, kind, options in info.inputs(node):
            if is_widget(kind, options) or name in node.inputs:
                value = info.value(node, name, kind, options)
                if isinstance(value, list):  # as the browser posts it: a bare list would be a link
                    value = {"__value__": value}
                inputs[name] = list(value) if is_link(value) else value
        title = node.title or info.nodes[node.type]["display_name"]
        graph[node.id] = {"class_type": node.type, "inputs": inputs, "_meta": {"title": title}}
    return graph


def ui_form(groups: list[Group], info: NodeInfo) -> dict[str, Any]:
    return Drawing(groups, info).form()


class Drawing:
    """The UI form of a graph: boxes in columns, groups around them, links, and the insides of subgraphs."""

    def __init__(self, groups: list[Group], info: NodeInfo) -> None:
        self.groups, self.info = groups, info
        nodes = list(nodes_of(groups))
        self.nodes = {node.id: node for node in nodes}
        self.number = {node.id: index for index, node in enumerate(nodes, 1)}
        items = [item for group in groups for column in group.columns for item in column]
        self.subgraphs = [item for item in items if isinstance(item, Subgraph)]
        self.home = {node.id: sub.name for sub in self.subgraphs for node in sub.nodes}  # of the nodes inside
        for sub in self.subgraphs:
            self.number[sub.name] = len(self.number) + 1
        self.boxes: dict[str, dict[str, Any]] = {}
        self.outside: list[list[Any]] = []  # links on the canvas
        self.inside: dict[str, list[dict[str, Any]]] = {sub.name: [] for sub in self.subgraphs}
        # Of each subgraph: what comes from outside, and what goes there; each is (node's id, output).
        self.entries: dict[str, list[tuple[str, int]]] = {sub.name: [] for sub in self.subgraphs}
        self.exits: dict[str, list[tuple[str, int]]] = {sub.name: [] for sub in self.subgraphs}
        self.last = 0  # link

    def form(self) -> dict[str, Any]:
        drawn = self._place()
        for node in self.nodes.values():
            self._connect(node)
        for sub in self.subgraphs:
            self._finish(sub)
        on_canvas = [box for name, box in self.boxes.items() if name not in self.home]
        form = {
            "last_node_id": len(self.number),
            "last_link_id": self.last,
            "nodes": on_canvas,
            "links": self.outside,
            "groups": drawn,
            "config": {},
            "extra": lanes(on_canvas, self.outside, [group["bounding"] for group in drawn]),
            "version": 0.4,
        }
        if self.subgraphs:
            form["definitions"] = {"subgraphs": [self._definition(sub) for sub in self.subgraphs]}
        return form

    def _place(self) -> list[dict[str, Any]]:
        """Every box in its place, and the groups."""
        drawn, x = [], 0
        for group in self.groups:
            left, bottom = x, 0
            x += GAP // 2
            for column in group.columns:
                y = HEAD + TITLE - GAP
                for item in column:
                    y = self._put(item, x, y)
                bottom = max(bottom, y)
                x += COLUMN
            frame = [left, 0, x - left - GAP // 2, bottom - TITLE + GAP]
            drawn.append({"title": group.title, "bounding": frame, "color": group.color, "font_size": 24, "flags": {}})
            x += GAP
        return drawn

    def _put(self, item: Node | Subgraph, x: int, y: int) -> int:
        """Draw a box, and the boxes inside of it; gives the place of the next one."""
        size = [COLUMN - GAP, height_of(item, self.info)]
        if isinstance(item, Subgraph):
            self.boxes[item.name] = self._subgraph_box(item, [x, y], size)
            inner = 0
            for column in item.columns:
                below = 0
                for node in column:
                    below = self._put(node, inner, below)
                inner += COLUMN + GAP
        else:
            self.boxes[item.id] = box(item, self.number[item.id], self.info, [x, y], size)
        return y + size[1] + (0 if isinstance(item, Subgraph) else ROOM.get(item.type, 0)) + TITLE

    def _connect(self, node: Node) -> None:
        for slot, each in enumerate(self.boxes[node.id]["inputs"]):
            value, kind = node.inputs.get(each["name"]), each["type"]
            if not is_link(value):
                continue
            source, target = value[0], node.id
            here, there = self.home.get(target), self.home.get(source)
            entry = self.boxes[target]["inputs"][slot]
            if here == there:
                entry["link"] = self._link(here, self.number[source], value[1], self.number[target], slot, kind, source)
                continue
            if here is not None:
                entry["link"] = self._enter(here, value, target, slot, kind)
            else:
                number, output = self._canvas_source(value)
                entry["link"] = self._link(None, number, output, self.number[target], slot, kind, source)

    def _enter(self, sub: str, source: tuple[str, int], target: str, slot: int, kind: str) -> int:
        """A link to a node inside: over an entry of its subgraph, which the canvas feeds once."""
        entries, outer = self.entries[sub], self.boxes[sub]
        if source not in entries:
            entries.append(source)
            kind = self.info.nodes[self.nodes[source[0]].type]["output"][source[1]]
            name = self._free(source, [each["name"] for each in outer["inputs"]])
            index = len(entries) - 1
            outer["inputs"].insert(index, {"name": name, "type": kind, "link": None})
            number, output = self._canvas_source(source)
            outer["inputs"][index]["link"] = self._link(None, number, output, outer["id"], index, kind, source[0])
        return self._link(sub, ENTRY, entries.index(source), self.number[target], slot, kind, None)

    def _canvas_source(self, source: tuple[str, int]) -> tuple[int, int]:
        """The box and the output on the canvas that give a value; a subgraph gets an exit for it."""
        sub = self.home.get(source[0])
        if sub is None:
            return self.number[source[0]], source[1]
        exits, outer = self.exits[sub], self.boxes[sub]
        if source not in exits:
            exits.append(source)
            kind = self.info.nodes[self.nodes[source[0]].type]["output"][source[1]]
            name = self._free(source, [each["name"] for each in outer["outputs"]])
            outer["outputs"].append({"name": name, "type": kind, "links": [], "slot_index": len(exits) - 1})
            self._link(sub, self.number[source[0]], source[1], EXIT, len(exits) - 1, kind, source[0])
        return outer["id"], exits.index(source)

    def _free(self, source: tuple[str, int], taken: list[str]) -> str:
        """A name for a value that crosses a subgraph's edge: that of the output, or of the box."""
        name = self.info.nodes[self.nodes[source[0]].type]["output_name"][source[1]]
        return name if name not in taken else f"{name} of {source[0]}"

    def _link(
        self, sub: str | None, origin: int, output: int, target: int, slot: int, kind: str, source: str | None
    ) -> int:
        self.last += 1
        if source is not None:  # the input may take any
            kind = self.info.nodes[self.nodes[source].type]["output"][self._output_of(origin, output, source)]
        if sub is None:
            self.outside.append([self.last, origin, output, target, slot, kind])
        else:
            ends = {"origin_id": origin, "origin_slot": output, "target_id": target, "target_slot": slot}
            self.inside[sub].append({"id": self.last, **ends, "type": kind})
        boxes = {box["id"]: box for box in self.boxes.values()}
        if origin in boxes:
            boxes[origin]["outputs"][output]["links"].append(self.last)
        return self.last

    def _output_of(self, origin: int, output: int, source: str) -> int:
        """The source's own output, where `output` may be that of the subgraph around it."""
        sub = self.home.get(source)
        return self.exits[sub][output][1] if sub is not None and origin == self.number[sub] else output

    def _subgraph_box(self, sub: Subgraph, position: list[int], size: list[int]) -> dict[str, Any]:
        shown = [[str(self.number[node]), widget] for node, widget in sub.widgets]
        return {
            "id": self.number[sub.name],
            "type": identity(sub.name),
            "title": sub.name,
            "pos": position,
            "size": size,
            "flags": {},
            "order": self.number[sub.name] - 1,
            "mode": 0,
            "inputs": [],
            "outputs": [],
            "properties": {"proxyWidgets": shown},
            "widgets_values": [],
        }

    def _finish(self, sub: Subgraph) -> None:
        """The order of the links' ends is known now."""
        outer = self.boxes[sub.name]
        assert all(entry["link"] for entry in outer["inputs"]) and outer["outputs"]

    def _definition(self, sub: Subgraph) -> dict[str, Any]:
        links, outer = self.inside[sub.name], self.boxes[sub.name]
        width = len(sub.columns) * (COLUMN + GAP)
        return {
            "id": identity(sub.name),
            "version": 1,
            "revision": 0,
            "state": {
                "lastGroupId": 0,
                "lastNodeId": len(self.number),
                "lastLinkId": self.last,
                "lastRerouteId": 0,
            },
            "config": {},
            "name": sub.name,
            "inputNode": {"id": ENTRY, "bounding": [-240, 0, 160, 40 + 20 * len(outer["inputs"])]},
            "outputNode": {"id": EXIT, "bounding": [width, 0, 160, 40 + 20 * len(outer["outputs"])]},
            "inputs": [
                {
                    "id": identity(f"{sub.name} in {index}"),
                    "name": each["name"],
                    "type": each["type"],
                    "linkIds": [x["id"] for x in links if (x["origin_id"], x["origin_slot"]) == (ENTRY, index)],
                }
                for index, each in enumerate(outer["inputs"])
            ],
            "outputs": [
                {
                    "id": identity(f"{sub.name} out {index}"),
                    "name": each["name"],
                    "type": each["type"],
                    "linkIds": [x["id"] for x in links if (x["target_id"], x["target_slot"]) == (EXIT, index)],
                }
                for index, each in enumerate(outer["outputs"])
            ],
            "widgets": [],
            "nodes": [self.boxes[node.id] for node in sub.nodes],
            "groups": [],
            "links": links,
            "extra": {},
        }


def identity(name: str) -> str:
    """An id that stays the same from build to build."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"diff-harmonization/{name}"))


def has_control(name: str, options: dict[str, Any]) -> bool:
    """Whether the browser puts its control after the widget: asked for, or by the name alone."""
    return bool(options.get("control_after_generate")) or name == "seed"


def height_of(node: Node | Subgraph, info: NodeInfo) -> int:
    """What the browser gives the node at least, and room for a picture or a text."""
    if isinstance(node, Subgraph):
        return 6 + 20 * crossing(node, info) + (8 + 24 * len(node.widgets) if node.widgets else 0)
    kinds = [(kind, options) for _, kind, options in info.inputs(node)]
    drawn = sum(is_widget(kind, options) for kind, options in kinds)
    slots = max(len(kinds) - drawn, len(info.nodes[node.type]["output"]))
    # Widgets of the browser's own: an upload button, and a control below whatever is a seed.
    widgets = drawn + sum(bool(options.get("image_upload")) for _, options in kinds)
    widgets += sum(has_control(name, options) for name, _, options in info.inputs(node))
    shown = {
        "LoadImage": 224,
        "LoadImageMask": 224,
        "SaveImage": 140,
        "PreviewImage": 170,
        "PreviewAny": 110,
        "ImageCompare": 300,
        "CLIPTextEncode": 30,
        NOTE: 122,
    }
    shown |= {"IterateLoopEnd": 360, "Harmonize": 360, "HarmonizeInstances": 360, "DescribePicker": 120}
    return 6 + 20 * slots + (8 + 24 * widgets if widgets else 0) + shown.get(node.type, 0)


def crossing(sub: Subgraph, info: NodeInfo) -> int:
    """How many values enter a subgraph: at least as many as leave it, in all of ours."""
    within = {node.id for node in sub.nodes}
    links = (value for node in sub.nodes for value in node.inputs.values() if is_link(value))
    return len({link for link in links if link[0] not in within})


def box(node: Node, number: int, info: NodeInfo, position: list[int], size: list[int]) -> dict[str, Any]:
    """A box without its links."""
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
        if not options.get("socketless"):
            inputs.append(slot)
    outputs = [
        {"name": name, "type": kind, "links": [], "slot_index": index}
        for index, (name, kind) in enumerate(zip(schema["output_name"], schema["output"], strict=True))
    ]
    properties: dict[str, Any] = {"Node name for S&R": node.type}
    if models := [PUBLIC[value].link() for value in node.inputs.values() if value in PUBLIC]:
        properties["models"] = models
    drawn = {
        "id": number,
        "type": node.type,
        "pos": position,
        "size": size,
        "flags": {},
        "order": number - 1,
        "mode": 0,
        "inputs": [] if node.type == NOTE else inputs,
        "outputs": outputs,
        "properties": properties,
        "widgets_values": values + buttons,
    }
    if node.title:
        drawn["title"] = node.title
    return drawn


def blueprint(sub: Subgraph, form: dict[str, Any]) -> dict[str, Any]:
    """A subgraph of a drawn graph as a file of its own, which the browser offers among its nodes."""
    (definition,) = (each for each in form["definitions"]["subgraphs"] if each["id"] == identity(sub.name))
    (outer,) = (node for node in form["nodes"] if node["type"] == identity(sub.name))
    outer = copy.deepcopy(outer)
    for entry in outer["inputs"]:
        entry["link"] = None
    for entry in outer["outputs"]:
        entry["links"] = []
    return {
        "revision": 0,
        "last_node_id": form["last_node_id"],
        "last_link_id": 0,
        "nodes": [outer],
        "links": [],
        "version": 0.4,
        "definitions": {"subgraphs": [definition]},
        "extra": {},
    }


def blueprints(info: NodeInfo) -> dict[str, dict[str, Any]]:
    """The subgraphs that are worth using in other graphs, by the names of their files."""
    found = {}
    for name, wanted in BLUEPRINTS.items():
        groups = workflows()[name]
        drawing = Drawing(groups, info)
        form = drawing.form()
        (sub,) = (each for each in drawing.subgraphs if each.name == wanted)
        found[file_name(sub.name)] = blueprint(sub, form)
    return found


def file_name(name: str) -> str:
    return name.replace(": ", " - ").replace(",", "")


def write(server: str) -> None:
    info = NodeInfo(server)
    (FOLDER / "api").mkdir(exist_ok=True)
    SUBGRAPHS.mkdir(exist_ok=True)
    for name, form in blueprints(info).items():
        (SUBGRAPHS / f"{name}.json").write_text(json.dumps(form, indent=1) + "\n")
    for name, groups in workflows().items():
        (FOLDER / f"{name}.json").write_text(json.dumps(ui_form(groups, info), indent=1) + "\n")
        (FOLDER / "api" / f"{name}.json").write_text(json.dumps(api_form(groups, info), indent=1) + "\n")
