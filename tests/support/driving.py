"""What a user does in the page and sees of it."""

import json

from graphs import WORKFLOWS
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

LOAD = "const [graph, done] = arguments; app.loadGraphData(graph).then(() => done(null), error => done(String(error)))"
PROMPT = "const done = arguments[0]; app.graphToPrompt().then(prompt => done(prompt.output))"


def load(page, name):
    drawn = json.loads((WORKFLOWS / f"{name}.json").read_text(encoding="utf-8"))
    assert page.execute_async_script(LOAD, drawn) is None
    return drawn


def visible(page, selector):
    return [element for element in page.find_elements(By.CSS_SELECTOR, selector) if element.is_displayed()]


def click(page, selector):
    WebDriverWait(page, 60).until(lambda _: visible(page, selector))[0].click()


def complaints(page):
    """What the frontend says of missing nodes, models or values."""
    return [element.text for element in visible(page, "[role=dialog], [data-testid=error-overlay]")]
