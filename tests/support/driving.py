"""What a user does in the page and sees of it."""

import json

from graphs import WORKFLOWS
from selenium.webdriver.support.ui import WebDriverWait

from diff_harmonization.tools.screenshots.browser import click, visible

__all__ = ["LOAD", "PROMPT", "click", "complaints", "load", "view_details", "visible"]

LOAD = "const [graph, done] = arguments; app.loadGraphData(graph).then(() => done(null), error => done(String(error)))"
PROMPT = "const done = arguments[0]; app.graphToPrompt().then(prompt => done(prompt.output))"


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
    WebDriverWait(page, 60).until(lambda _: page.execute_script(press))
