"""A headless Chromium with ComfyUI's page in it: what the pictures and the browser tests drive."""

from __future__ import annotations

import io
import json
import shutil
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

PATIENCE = 300  # seconds; a busy machine takes long to draw the page
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # the page must do without the internet
)
NO_BROWSER = "No browser to drive: install Chromium and its chromedriver (Debian: chromium, chromium-driver)."
SETTINGS = {"Comfy.TutorialCompleted": True, "LiteGraph.Node.TooltipDelay": 100}
REST = "const [done] = arguments; app.canvas.setDirty(true, true); setTimeout(done, 1000)"
READY = """return !!window.app?.canvas && !!window.LiteGraph?.registered_node_types.DDIMInvert
    && app.graph.nodes.length > 0"""


def installed() -> tuple[str, str] | None:
    """The paths of the browser and of its driver."""
    binary = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    driver = shutil.which("chromedriver")
    return (binary, driver) if binary and driver else None


# A node at its size, at a place of the canvas; where the middle of its title then lies in the window.
SHOW_NODE = """const [type, left, top] = arguments, node = app.graph.nodes.find(node => node.type == type)
const room = app.canvas.canvas.getBoundingClientRect()
Object.assign(app.canvas.ds, {scale: 1, offset: [left - node.pos[0], top - node.pos[1]]})
app.canvas.setDirty(true, true)
return [room.left + left + node.size[0] / 2, room.top + top - 15].map(Math.round)"""


@contextmanager
def open_browser(profile: Path, width: int = 2400, height: int = 1300) -> Iterator[webdriver.Chrome]:
    """A browser with `profile` as its folder; raises FileNotFoundError where none is installed."""
    found = installed()
    if found is None:
        raise FileNotFoundError(NO_BROWSER)
    binary, driver = found
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in (*FLAGS, f"--window-size={width},{height}", f"--user-data-dir={profile}"):
        options.add_argument(flag)
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    browser.set_script_timeout(100)  # the driver itself waits 120 s for an answer
    try:
        yield browser
    finally:
        browser.quit()


def open_page(browser: webdriver.Chrome, url: str, **settings: Any) -> None:
    """Load the page of the server at `url`, past its welcome, and wait until the pack's nodes are there.

    Args:
        settings: the frontend's settings, with `_` for the dots of their names: Comfy_Locale="zh".
    """
    wanted = SETTINGS | {name.replace("_", "."): value for name, value in settings.items()}
    body = json.dumps(wanted).encode()
    request = urllib.request.Request(f"{url}/settings", body, {"Content-Type": "application/json"})
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request).close()
    browser.get(url)
    WebDriverWait(browser, PATIENCE).until(lambda page: page.execute_script(READY))


def settled(browser: webdriver.Chrome, script: str) -> Any:
    """What a script returns, once it returns the same a second later: a busy machine draws late. None means not yet."""
    before, answer = None, browser.execute_script(script)
    while answer is None or answer != before:
        browser.execute_async_script(REST)
        before, answer = answer, browser.execute_script(script)
    return answer


def visible(browser: webdriver.Chrome, selector: str) -> list[WebElement]:
    """The elements of the page that can be seen."""
    return [element for element in browser.find_elements(By.CSS_SELECTOR, selector) if element.is_displayed()]


def click(browser: webdriver.Chrome, selector: str) -> None:
    """Click on the first of them, as soon as there is one."""
    WebDriverWait(browser, PATIENCE).until(lambda _: visible(browser, selector))[0].click()


def select_node(browser: webdriver.Chrome, kind: str, left: int = 600, top: int = 260) -> None:
    """Bring the first node of a kind to a place of the canvas, and click on its title."""
    x, y = browser.execute_script(SHOW_NODE, kind, left, top)
    actions = ActionChains(browser)
    actions.w3c_actions.pointer_action.move_to_location(x, y)
    actions.w3c_actions.pointer_action.click()
    actions.perform()


def screenshot(browser: webdriver.Chrome) -> Image.Image:
    """The page as it looks now."""
    return Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB")
