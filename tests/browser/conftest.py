import json
import shutil
import urllib.request

import pytest
from graphs import WORKFLOWS
from selenium import webdriver
from selenium.webdriver.support.ui import WebDriverWait

PATIENCE = 120
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
    "--window-size=2400,1300",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # the page must do without the internet
)


@pytest.fixture(scope="session")
def chromium(tmp_path_factory):
    """A headless Chromium with an empty profile."""
    binary = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    driver = shutil.which("chromedriver")
    if binary is None or driver is None:
        pytest.skip("No browser to drive: install Chromium and its chromedriver (Debian: chromium, chromium-driver).")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    browser.set_script_timeout(PATIENCE)
    yield browser
    browser.quit()


@pytest.fixture(scope="session")
def example(server):
    """The pictures that the workflows name are in the input folder."""
    folder = WORKFLOWS / "examples" / "cat_snow"
    server.upload(folder / "composite.jpg", "composite.png")
    server.upload(folder / "mask.png", "mask.png")


@pytest.fixture
def page(chromium, server, example):
    """The frontend, loaded and past its welcome."""
    body = json.dumps({"Comfy.TutorialCompleted": True, "LiteGraph.Node.TooltipDelay": 100}).encode()
    request = urllib.request.Request(f"{server.url}/settings", body, {"Content-Type": "application/json"})
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request).close()
    chromium.get(server.url)
    ready = """return !!window.app?.canvas && !!window.LiteGraph?.registered_node_types.DDIMInvert
        && app.graph.nodes.length > 0"""
    WebDriverWait(chromium, PATIENCE).until(lambda browser: browser.execute_script(ready))
    return chromium
