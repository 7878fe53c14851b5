"""The picture of every node for its help page: the node with what feeds it and what comes out of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image
from selenium.webdriver import Chrome
from selenium.webdriver.support.ui import WebDriverWait

from ...cli.client import Client
from .browser import screenshot
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
# The node in the middle, what feeds it on the left, what shows its results on the right; everything else goes.
ARRANGE = """const [id, left, top, width, height, done] = arguments
const TITLE = 30, GAP = 24, COLUMN = 70, WHOLE = ['LoadImage', 'PreviewImage', 'PreviewAny']
const rest = () => {
    const graph = app.graph, node = graph.nodes.find(each => each.id == id), links = [...graph.links.values()]
    const find = id => graph.nodes.find(each => each.id == id)
    const sources = new Set(node.inputs.filter(slot => slot.link != null)
        .map(slot => find(links.find(link => link.id == slot.link).origin_id)))
    const results = new Set(links.filter(link => link.origin_id == node.id).map(link => find(link.target_id)))
    for (const each of [...graph.nodes])
        if (each != node && !sources.has(each) && !results.has(each)) graph.remove(each)
    for (const link of [...graph.links.values()])
        if (link.origin_id != node.id && link.target_id != node.id) graph.removeLink(link.id)
    for (const each of [...sources, ...results])
        if (!WHOLE.includes(each.type)) each.flags.collapsed = true
    for (const each of results) if (each.type == 'PreviewImage') each.setSize([340, 260])
    for (const each of sources) if (each.type == 'LoadImage') each.setSize([260, 270])
    let x = 0
    const box = [0, 0, 0, 0]
    for (const column of [[...sources], [node], [...results]]) {
        if (!column.length) continue
        let y = 0, wide = 0
        for (const each of column) {
            const [w, h] = each.flags.collapsed ? [190, 0] : each.size
            each.pos = [x, y + TITLE]
            y += TITLE + h + GAP
            wide = Math.max(wide, w)
        }
        box[2] = x + wide
        box[3] = Math.max(box[3], y - GAP)
        x += wide + COLUMN
    }
    const scale = Math.min(1, width / box[2], height / box[3])
    Object.assign(app.canvas.ds, {scale, offset: [left / scale, top / scale]})
    app.canvas.deselectAll?.()
    app.canvas.setDirty(true, true)
    const bounds = app.canvas.canvas.getBoundingClientRect()
    done([bounds.left + left, bounds.top + top, box[2] * scale, box[3] * scale].map(Math.round))
}
app.loadGraphData(structuredClone(kept.graph)).then(() => {
    app.nodeOutputs = structuredClone(kept.outputs)
    setTimeout(rest, 300)
})"""
DRAWN = """return app.graph.nodes.filter(node => ['LoadImage', 'PreviewImage'].includes(node.type))
    .filter(node => node.type == 'LoadImage' || kept.outputs[node.id])
    .every(node => node.imgs?.length && node.imgs[0].naturalWidth > 0)"""
LEFT, TOP, WIDTH, HEIGHT = 110, 120, 1300, 640  # of the part of the window without menus, in pixels
MARGIN = 26  # around the nodes; the pack's badge stands above a node


def run_scenes(client: Client) -> list[tuple[Graph, dict[str, Any]]]:
    """Every scene with what its nodes have to show; what needs weights or a key has nothing."""
    info = client.object_info()
    return [(scene(), client.run(complete(scene(), info), PATIENCE)) for scene in SCENES] + [
        (scene(), {}) for scene in NOT_RUN
    ]


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
    left, top, width, height = page.execute_async_script(ARRANGE, key, LEFT, TOP, WIDTH, HEIGHT)
    WebDriverWait(page, 60).until(lambda _: page.execute_script(DRAWN))
    page.execute_async_script("const [done] = arguments; app.canvas.setDirty(true, true); setTimeout(done, 700)")
    right, bottom = left + width, top + height
    return screenshot(page).crop((left - MARGIN, top - MARGIN, right + MARGIN, bottom + MARGIN))


def write(page: Chrome, scenes: list[tuple[Graph, dict[str, Any]]]) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for kind, picture in node_pictures(page, scenes):
        picture.save(FOLDER / f"{kind}.jpg", quality=85, optimize=True)
