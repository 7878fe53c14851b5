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
from selenium.webdriver.support.ui import WebDriverWait

PATIENCE = 120  # seconds
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
READY = """return !!window.app?.canvas && !!window.LiteGraph?.registered_node_types.DDIMInvert
    && app.graph.nodes.length > 0"""


def installed() -> tuple[str, str] | None:
    """The paths of the browser and of its driver."""
    binary = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    driver = shutil.which("chromedriver")
    return (binary, driver) if binary and driver else None


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
    browser.set_script_timeout(PATIENCE)
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


def screenshot(browser: webdriver.Chrome) -> Image.Image:
    """The page as it looks now."""
    return Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB")
