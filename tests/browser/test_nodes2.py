"""ComfyUI's other way to draw boxes, Nodes 2.0: each is a part of the page, and sizes are the page's."""

import pytest
from driving import GROUPS, RUNS, TITLE_BAR, covering, load, outside, run
from graphs import WORKFLOWS
from selenium.webdriver.support.ui import WebDriverWait

from diff_harmonization.tools.screenshots.browser import open_page, settled

# As the canvas has them: the title bar lies above a node's position. None until all are drawn.
BOXES = f"""const {{scale, offset}} = app.canvas.ds, room = app.canvas.canvas.getBoundingClientRect()
const drawn = app.graph.nodes.map(node => {{
    const box = document.querySelector(`[data-node-id="${{node.id}}"]`)?.getBoundingClientRect()
    return box && {{title: node.title, x: (box.left - room.left) / scale - offset[0], width: box.width / scale,
        y: (box.top - room.top) / scale - offset[1] + {TITLE_BAR}, height: box.height / scale - {TITLE_BAR}}}
}})
return drawn.every(Boolean) ? drawn : null"""
COMPARED = """const id = app.graph.nodes.find(node => node.type == 'ImageCompare').id
return [...document.querySelectorAll(`[data-node-id="${id}"] img`)].filter(each => each.naturalWidth > 0).length"""
NAMES = sorted(path.stem for path in WORKFLOWS.glob("*.json"))
ROUNDING = 8  # units; fonts, and so the heights of texts, differ a little between machines


@pytest.fixture(scope="module")
def nodes2(chromium, server, example):
    open_page(chromium, server.url, Comfy_VueNodes_Enabled=True)
    yield chromium
    open_page(chromium, server.url, Comfy_VueNodes_Enabled=False)
    chromium.get("about:blank")


def shrunk(box):
    return box | {name: box[name] + ROUNDING for name in "xy"} | {n: box[n] - 2 * ROUNDING for n in ("width", "height")}


def assert_in_place(page):
    drawn, groups = [shrunk(box) for box in settled(page, BOXES)], page.execute_script(GROUPS)
    assert not covering(drawn)
    assert not outside(drawn, groups)


def test_a_template_runs_and_its_boxes_stay_in_their_places(nodes2):
    load(nodes2, "harmonize_routed")
    nodes2.execute_script(RUNS)
    run(nodes2)
    WebDriverWait(nodes2, 120).until(lambda page: page.execute_script(COMPARED) == 2)
    assert_in_place(nodes2)


@pytest.mark.parametrize("name", NAMES)
def test_no_box_covers_another_or_leaves_its_group(nodes2, name):
    load(nodes2, name)
    assert_in_place(nodes2)
