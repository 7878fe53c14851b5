"""What a user does in the page and sees of it."""

import itertools
import json

from graphs import WORKFLOWS
from selenium.webdriver.support.ui import WebDriverWait

from diff_harmonization.tools.screenshots.browser import click, visible

__all__ = [
    "GROUPS",
    "LOAD",
    "NODES",
    "PROMPT",
    "RUNS",
    "TITLE_BAR",
    "click",
    "complaints",
    "covering",
    "inside",
    "load",
    "outside",
    "run",
    "view_details",
    "visible",
]

LOAD = "const [graph, done] = arguments; app.loadGraphData(graph).then(() => done(null), error => done(String(error)))"
PROMPT = "const done = arguments[0]; app.graphToPrompt().then(prompt => done(prompt.output))"

RUNS = "window.runs = 0; app.api.addEventListener('execution_success', () => window.runs++)"
TITLE_BAR = 30  # pixels above a node's position
NODES = """return app.graph.nodes.map(node => ({
    id: Number(node.id), type: node.type, title: node.title, known: node.type in LiteGraph.registered_node_types,
    x: node.pos[0], y: node.pos[1], width: node.size[0], height: node.size[1],
    least: [...node.computeSize()], widgets: (node.widgets ?? []).map(widget => widget.name),
}))"""
GROUPS = "return app.graph.groups.map(group => ({title: group.title, bounds: [...group.boundingRect]}))"


def load(page, name):
    drawn = json.loads((WORKFLOWS / f"{name}.json").read_text(encoding="utf-8"))
    assert page.execute_async_script(LOAD, drawn) is None
    return drawn


def complaints(page):
    """What the frontend says of missing nodes, models or values."""
    return [element.text for element in visible(page, "[role=dialog], [data-testid=error-overlay]")]


def view_details(page):
    """Presses the button of the host's error box; the page may draw it anew meanwhile."""
    press = """return [...document.querySelectorAll('button')].some(
        button => button.innerText == 'View details' && (button.click(), true))"""
    WebDriverWait(page, 120).until(lambda _: page.execute_script(press))


def run(page, patience=300):
    """Presses Run, on a page that counts its RUNS, and waits for the end."""
    before = page.execute_script("return window.runs")
    click(page, "[data-testid=queue-button]")
    done = lambda _: page.execute_script("return window.runs") > before or complaints(page)  # noqa: E731
    WebDriverWait(page, patience).until(done)
    assert not complaints(page)


def covering(nodes):
    """Titles of the nodes that lie over each other."""
    return [(a["title"], b["title"]) for a, b in itertools.combinations(nodes, 2) if _overlap(a, b)]


def outside(nodes, groups):
    """Titles of the nodes that no group holds whole."""
    return [node["title"] for node in nodes if not any(inside(node, group["bounds"]) for group in groups)]


def _overlap(a, b):
    return (
        a["x"] < b["x"] + b["width"]
        and b["x"] < a["x"] + a["width"]
        and a["y"] - TITLE_BAR < b["y"] + b["height"]
        and b["y"] - TITLE_BAR < a["y"] + a["height"]
    )


def inside(node, bounds):
    left, top, width, height = bounds
    return (
        left <= node["x"]
        and top <= node["y"] - TITLE_BAR
        and node["x"] + node["width"] <= left + width
        and node["y"] + node["height"] <= top + height
    )
