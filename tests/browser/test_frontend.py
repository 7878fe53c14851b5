"""The shipped workflows in the real frontend, driven as a user would."""

import copy
import json

import pytest
from driving import GROUPS, LOAD, NODES, PROMPT, click, complaints, covering, inside, load
from graphs import WORKFLOWS
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

# They want weights that do not ship.
WANT_WEIGHTS = {
    "harmonize_sd2",
    "harmonize_sdxl",
    "harmonize_sd15_lora_controlnet",
    "painterly",
    "diffharmony_released",
    "inverse_harmonization_released",
}
NAMES = sorted(path.stem for path in WORKFLOWS.glob("*.json"))
READABLE = 8 / 14  # zoom; the browser draws no letters of less than 8 pixels, and titles have 14
LINKS = """return [...app.graph.links.values()].map(link => [
    Number(link.origin_id), Number(link.origin_slot), Number(link.target_id),
    app.graph.nodes.find(node => node.id == link.target_id).inputs[link.target_slot].name,
])"""
WIDGET = """return app.graph.nodes.find(node => node.type == arguments[0]).widgets
    .find(widget => widget.name == arguments[1])"""
DESCRIBE_WIDGETS = """return app.graph.nodes.find(node => node.type == 'LocalDescribe').widgets
    .map(widget => widget.name)"""
CHOOSE_PROVIDER = """app.graph.nodes.find(node => node.type == 'LocalDescribe').widgets
    .find(widget => widget.name == 'provider').value = arguments[0]"""


def number(key):
    """Of a box in the prompt: inside of a subgraph the subgraph's comes before it."""
    return int(key.split(":")[-1])


def client_position(page, node, dx, dy):
    """Where a point of a node, relative to its position, lies in the window."""
    script = """const [id, dx, dy] = arguments, node = app.graph.nodes.find(node => node.id == id)
    const {scale, offset} = app.canvas.ds, box = app.canvas.canvas.getBoundingClientRect()
    return [(node.pos[0] + dx + offset[0]) * scale + box.left, (node.pos[1] + dy + offset[1]) * scale + box.top]"""
    return page.execute_script(script, node, dx, dy)


def test_a_user_finds_the_workflow_among_the_templates(page):
    click(page, "button[aria-label=Templates]")
    entry = "//*[normalize-space(.)='diff_harmonization']"
    WebDriverWait(page, 120).until(lambda browser: browser.find_elements(By.XPATH, entry))[-1].click()
    click(page, "[data-testid=template-workflow-harmonize] [data-testid=thumbnail-content]")
    WebDriverWait(page, 120).until(lambda _: "WorkingView" in [node["type"] for node in page.execute_script(NODES)])
    assert not complaints(page)
    # Below this the browser draws no titles; the whole graph is in the window.
    assert page.execute_script("return app.canvas.ds.scale") > READABLE


@pytest.mark.parametrize("name", NAMES)
def test_the_frontend_draws_every_node_group_and_link(page, name):
    drawn = load(page, name)
    nodes = page.execute_script(NODES)
    assert all(node["known"] for node in nodes)
    assert {(n["id"], n["type"]) for n in nodes} == {(n["id"], n["type"]) for n in drawn["nodes"]}
    titles = {node["id"]: node["title"] for node in nodes}
    assert all(titles[node["id"]] == node["title"] for node in drawn["nodes"] if "title" in node)
    inputs = {node["id"]: [slot["name"] for slot in node["inputs"]] for node in drawn["nodes"]}
    links = [[source, output, target, inputs[target][slot]] for _, source, output, target, slot, _ in drawn["links"]]
    assert sorted(page.execute_script(LINKS)) == sorted(links)  # the frontend moves sockets above widgets
    groups = page.execute_script(GROUPS)
    assert [group["title"] for group in groups] == [group["title"] for group in drawn["groups"]]
    assert all(group["title"] for group in groups)
    if name not in WANT_WEIGHTS:
        assert not complaints(page)


@pytest.mark.parametrize("name", NAMES)
def test_the_layout_is_readable(page, name):
    drawn = load(page, name)
    nodes, groups = page.execute_script(NODES), page.execute_script(GROUPS)
    for node in nodes:
        width, height = node["least"]
        assert node["width"] >= width, node["title"]
        assert node["height"] >= height, node["title"]
        assert sum(inside(node, group["bounds"]) for group in groups) == 1, node["title"]
    assert not covering(nodes)
    sizes = {node["id"]: [node["width"], node["height"]] for node in nodes}
    grown = [
        (node["type"], node["size"], sizes[node["id"]]) for node in drawn["nodes"] if sizes[node["id"]] != node["size"]
    ]
    assert not grown


@pytest.mark.parametrize("name", NAMES)
def test_the_frontend_posts_the_shipped_api_form(page, name):
    load(page, name)
    posted = page.execute_async_script(PROMPT)
    shipped = json.loads((WORKFLOWS / "api" / f"{name}.json").read_text(encoding="utf-8"))
    names = dict(zip(sorted(posted, key=number), shipped, strict=True))
    for key, node in posted.items():
        inputs = {
            name: [names[value[0]], value[1]] if isinstance(value, list) else value
            for name, value in node["inputs"].items()
        }
        assert (node["class_type"], inputs) == tuple(shipped[names[key]][part] for part in ("class_type", "inputs"))


def test_tooltips_appear(page, server):
    load(page, "harmonize")
    (node,) = (node for node in page.execute_script(NODES) if node["type"] == "WorkingView")
    tip = server.object_info("WorkingView")["WorkingView"]["input"]["required"]["size"][1]["tooltip"]
    row = page.execute_script(f"{WIDGET}.last_y", "WorkingView", "size")
    x, y = client_position(page, node["id"], node["width"] / 2, row + 10)
    assert tip not in page.find_element(By.TAG_NAME, "body").text
    for step in (3, 0):
        actions = ActionChains(page)
        actions.w3c_actions.pointer_action.move_to_location(int(x + step), int(y))
        actions.perform()
    WebDriverWait(page, 120).until(lambda browser: tip in browser.find_element(By.TAG_NAME, "body").text)


def test_run_fills_the_pictures(page):
    load(page, "harmonize")
    steps = "app.graph.nodes.find(node => node.isSubgraphNode?.()).widgets.find(widget => widget.name == 'steps')"
    assert page.execute_script(f"return {steps}.value") == 10  # the box shows what is inside
    page.execute_script(f"{steps}.value = 3")
    click(page, "[data-testid=queue-button]")
    full = """return app.graph.nodes.filter(node => ['SaveImage', 'PreviewImage'].includes(node.type))
        .every(node => node.imgs?.length && node.imgs[0].naturalWidth > 0)"""
    WebDriverWait(page, 300).until(lambda browser: browser.execute_script(full) or complaints(page))
    assert not complaints(page)
    words = "return app.graph.nodes.find(node => node.type == 'PreviewAny').widgets.map(widget => widget.value).join()"
    assert "& (foreground)" in page.execute_script(words)


@pytest.fixture
def older(page):
    """The shipped drawing with the node as it was when it had three inputs and two outputs."""
    drawn = copy.deepcopy(json.loads((WORKFLOWS / "harmonize.json").read_text(encoding="utf-8")))
    (node,) = (node for node in drawn["nodes"] if node["type"] == "LocalDescribe")
    node["inputs"], node["outputs"], node["widgets_values"] = node["inputs"][:3], node["outputs"][:2], ["tree"]
    assert page.execute_async_script(LOAD, drawn) is None
    return page


def posted_description(page):
    graph = page.execute_async_script(PROMPT)
    (inputs,) = (node["inputs"] for node in graph.values() if node["class_type"] == "LocalDescribe")
    return {name: value for name, value in inputs.items() if not isinstance(value, list)}


def test_an_older_drawing_is_described_by_statistics(older):
    assert posted_description(older) == {"object": "tree", "provider": "statistics", "seed": 0}


def test_a_provider_brings_the_choice_of_its_model(older):
    assert "provider.model" not in older.execute_script(DESCRIBE_WIDGETS)
    older.execute_script(CHOOSE_PROVIDER, "vlm")
    assert "provider.model" in older.execute_script(DESCRIBE_WIDGETS)
    inputs = posted_description(older)
    assert inputs["provider"] == "vlm" and inputs["provider.model"]
    older.execute_script(CHOOSE_PROVIDER, "statistics")
    assert posted_description(older) == {"object": "tree", "provider": "statistics", "seed": 0}
