"""ComfyUI's other way to draw boxes, Nodes 2.0: each is a part of the page, and sizes are the page's."""

import itertools

import pytest
from driving import GROUPS, click, complaints, inside, load, overlap
from graphs import WORKFLOWS
from selenium.webdriver.support.ui import WebDriverWait

from diff_harmonization.tools.screenshots.browser import open_page

RUNS = "window.runs = 0; app.api.addEventListener('execution_success', () => window.runs++)"
BOXES = """const {scale, offset} = app.canvas.ds, room = app.canvas.canvas.getBoundingClientRect()
return app.graph.nodes.map(node => {
    const box = document.querySelector(`[data-node-id="${node.id}"]`)?.getBoundingClientRect()
    return box && {title: node.title, x: (box.left - room.left) / scale - offset[0], width: box.width / scale,
        y: (box.top - room.top) / scale - offset[1] + 30, height: box.height / scale - 30}
})"""  # as the canvas has them: the title bar lies above a node's position
COMPARED = """const id = app.graph.nodes.find(node => node.type == 'ImageCompare').id
return [...document.querySelectorAll(`[data-node-id="${id}"] img`)].filter(each => each.naturalWidth > 0).length"""
NAMES = sorted(path.stem for path in WORKFLOWS.glob("*.json"))
ROUNDING = 8  # units; fonts, and so the heights of texts, differ a little between machines


@pytest.fixture
def nodes2(chromium, server, example):
    open_page(chromium, server.url, Comfy_VueNodes_Enabled=True)
    yield chromium
    open_page(chromium, server.url, Comfy_VueNodes_Enabled=False)
    chromium.get("about:blank")


def boxes(page):
    """Where the boxes are; once all of them are drawn and none grows any more."""
    before, found = None, [None]
    while None in found or found != before:
        page.execute_async_script("setTimeout(arguments[0], 1000)")
        before, found = found, page.execute_script(BOXES)
    return found


def shrunk(box):
    return box | {name: box[name] + ROUNDING for name in "xy"} | {n: box[n] - 2 * ROUNDING for n in ("width", "height")}


def test_a_template_runs_and_its_boxes_stay_in_their_places(nodes2):
    load(nodes2, "harmonize_routed")
    nodes2.execute_script(RUNS)
    click(nodes2, "[data-testid=queue-button]")
    WebDriverWait(nodes2, 300).until(lambda page: page.execute_script("return window.runs") or complaints(page))
    assert not complaints(nodes2)
    WebDriverWait(nodes2, 120).until(lambda page: page.execute_script(COMPARED) == 2)
    drawn, groups = [shrunk(box) for box in boxes(nodes2)], nodes2.execute_script(GROUPS)
    assert not [(a["title"], b["title"]) for a, b in itertools.combinations(drawn, 2) if overlap(a, b)]
    assert not [box["title"] for box in drawn if not any(inside(box, group["bounds"]) for group in groups)]


@pytest.mark.parametrize("name", NAMES)
def test_no_box_covers_another_or_leaves_its_group(nodes2, name):
    load(nodes2, name)
    drawn, groups = [shrunk(box) for box in boxes(nodes2)], nodes2.execute_script(GROUPS)
    assert not [(a["title"], b["title"]) for a, b in itertools.combinations(drawn, 2) if overlap(a, b)]
    assert not [box["title"] for box in drawn if not any(inside(box, group["bounds"]) for group in groups)]
