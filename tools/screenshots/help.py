"""The picture of every node for its help page: the node with what feeds it and what comes out of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image
from selenium.webdriver import Chrome
from selenium.webdriver.support.ui import WebDriverWait

from ...cli.client import Client
from .browser import screenshot, settled
from .scenes import NOT_RUN, SCENES, Graph

FOLDER = Path(__file__).resolve().parents[2] / "web" / "docs" / "pictures"
PATIENCE = 3600  # seconds a scene, on a machine that has other work
SETTINGS = {
    "Comfy_Minimap_Visible": False,
    "Comfy_Graph_CanvasInfo": False,
    "Comfy_NodeBadge_NodeSourceBadgeMode": "None",
}
OWN = "custom_nodes.diff_harmonization"

LOAD = "app.loadApiJson(arguments[0], 'help')"
KEEP = """window.kept = {graph: app.graph.serialize(), outputs: arguments[0]}
return app.graph.nodes.filter(node => node.constructor.nodeData?.python_module == arguments[1])
    .map(node => [String(node.id), node.type])"""
# The node in the middle, what feeds it on the left, what comes of it on the right, pictures first; all else goes.
ARRANGE = """const [id, left, top, width, height, done] = arguments
const TITLE = 30, GAP = 24, COLUMN = 70, SMALL = 215, MOST = 3, WHOLE = ['LoadImage', 'PreviewImage', 'PreviewAny']
const graph = app.graph, find = id => graph.nodes.find(each => each.id == id), node = () => find(id)
const whole = each => each == node() || WHOLE.includes(each.type)
const after = each => [...new Set([...graph.links.values()].filter(link => link.origin_id == each.id)
    .map(link => find(link.target_id)))]
function columns() {
    const links = [...graph.links.values()]
    const before = node().inputs.filter(slot => slot.link != null)
        .map(slot => find(links.find(link => link.id == slot.link).origin_id))
    const results = after(node())
    const shown = results.filter(whole), others = results.filter(each => !whole(each)).slice(0, MOST)
    const decoded = others.filter(each => each.type == 'VAEDecode').flatMap(after).filter(whole)
    return [[...new Set(before)], [node()], [...shown, ...others], decoded].filter(column => column.length)
}
function arrange() {
    const kept = columns(), all = new Set(kept.flat())
    for (const each of [...graph.nodes]) if (!all.has(each)) graph.remove(each)
    for (const link of [...graph.links.values()])
        if (![link.origin_id, link.target_id].some(end => end == id) && find(link.origin_id).type != 'VAEDecode')
            graph.removeLink(link.id)
    let x = 0, deepest = 0
    for (const column of kept) {
        let y = 0
        for (const each of column) {
            each.flags.collapsed = !whole(each)
            if (each.type == 'PreviewImage') each.setSize([340, 260])
            if (each.type == 'LoadImage') each.setSize([260, 310])
            each.pos = [x, y + TITLE]
            y += TITLE + GAP + (each.flags.collapsed ? 0 : each.size[1])
        }
        deepest = Math.max(deepest, y)
        x += COLUMN + Math.max(...column.map(each => each.flags.collapsed ? SMALL : each.size[0]))
    }
    const scale = Math.min(1, width / x, height / deepest)
    Object.assign(app.canvas.ds, {scale, offset: [left / scale, top / scale]})
    app.canvas.deselectAll()
    app.canvas.setDirty(true, true)
}
app.loadGraphData(structuredClone(kept.graph)).then(() => {
    app.nodeOutputs = structuredClone(kept.outputs)
    setTimeout(() => { arrange(); done() }, 300)
})"""
# What the nodes cover of the window, as drawn: a node grows when its pictures are there.
BOUNDS = """const {scale, offset} = app.canvas.ds, room = app.canvas.canvas.getBoundingClientRect()
const sides = app.graph.nodes.map(node => [...node.boundingRect]).map(([x, y, w, h]) => [x, y, x + w, y + h])
const most = side => Math.max(...sides.map(each => each[side]))
const end = [most(2), most(3)].map((value, axis) => (value + offset[axis]) * scale + [room.left, room.top][axis])
return [...[room.left + offset[0] * scale, room.top + offset[1] * scale], ...end].map(Math.round)"""
DRAWN = """return app.graph.nodes.filter(node => ['LoadImage', 'PreviewImage'].includes(node.type))
    .filter(node => node.type == 'LoadImage' || kept.outputs[node.id])
    .every(node => node.imgs?.length && node.imgs[0].naturalWidth > 0)"""
LEFT, TOP, WIDTH, HEIGHT = 110, 120, 1300, 1000  # of the part of the window without menus, in pixels
MARGIN = 20  # around the nodes, pixels


def run_scenes(client: Client) -> list[tuple[Graph, dict[str, Any]]]:
    """Every scene with what its nodes have to show; what needs weights or a key has nothing."""
    info = client.object_info()
    graphs = [(complete(scene(), info), scene in SCENES) for scene in (*SCENES, *NOT_RUN)]
    return [(graph, client.run(graph, PATIENCE) if run else {}) for graph, run in graphs]


def complete(graph: Graph, info: dict[str, Any]) -> Graph:
    """The graph with the default of every input that has one and is not named, as the browser would post it."""
    for each in graph.values():
        for section in ("required", "optional"):
            for name, (_, *options) in info[each["class_type"]]["input"].get(section, {}).items():
                if options and "default" in options[0] and not options[0].get("forceInput"):
                    each["inputs"].setdefault(name, options[0]["default"])
    return graph


def node_pictures(page: Chrome, scenes: list[tuple[Graph, dict[str, Any]]]) -> Iterator[tuple[str, Image.Image]]:
    """(node's id, its picture) for every node of the pack in the scenes, the first time that it stands in one."""
    seen = set()
    for graph, outputs in scenes:
        page.execute_script(LOAD, graph)
        for key, kind in page.execute_script(KEEP, outputs, OWN):
            if kind not in seen:
                seen.add(kind)
                yield kind, _picture(page, key)


def _picture(page: Chrome, key: str) -> Image.Image:
    page.execute_async_script(ARRANGE, key, LEFT, TOP, WIDTH, HEIGHT)
    WebDriverWait(page, 60).until(lambda _: page.execute_script(DRAWN))
    left, top, right, bottom = settled(page, BOUNDS)
    return screenshot(page).crop((left - MARGIN, top - MARGIN, right + MARGIN, bottom + MARGIN))


def write(page: Chrome, scenes: list[tuple[Graph, dict[str, Any]]]) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for kind, picture in node_pictures(page, scenes):
        picture.save(FOLDER / f"{kind}.jpg", quality=85, optimize=True)
