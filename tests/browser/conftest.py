import pytest
from graphs import WORKFLOWS

from diff_harmonization.tools.screenshots import browser


@pytest.fixture(scope="session")
def chromium(tmp_path_factory):
    """A headless Chromium with an empty profile."""
    if not browser.installed():
        pytest.skip(browser.NO_BROWSER)
    with browser.open_browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="session")
def example(server):
    """The pictures that the workflows name are in the input folder."""
    folder = WORKFLOWS / "examples" / "cat_snow"
    server.upload(folder / "composite.jpg", "shown_composite.png")
    server.upload(folder / "mask.png", "shown_mask.png")


@pytest.fixture
def page(chromium, server, example):
    """The frontend, loaded and past its welcome; left afterwards, since an open page keeps a core busy."""
    browser.open_page(chromium, server.url)
    yield chromium
    chromium.get("about:blank")
