"""`python -m diff_harmonization.tools.screenshots help|docs`: take the pictures of ComfyUI's page anew.

It starts a server (COMFYUI_PATH) and a headless Chromium. Look at every picture before you commit it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import typer
from PIL import Image
from selenium.webdriver import Chrome

from ...cli.server import HostServer, device_options
from . import docs, help
from .browser import open_browser, open_page

EXAMPLE = docs.ROOT / "workflows" / "examples" / "tree_golden"
SIDE = 1500  # of the example in the pictures, pixels
WINDOW = 1600, 1000

app = typer.Typer(add_completion=False, help=__doc__, rich_markup_mode=None)


@contextmanager
def opened() -> Iterator[tuple[Chrome, str]]:
    """A browser, and the address of a server whose input folder has the example."""
    with TemporaryDirectory() as folder:
        base, host = Path(folder), Path(os.environ["COMFYUI_PATH"])
        with (
            HostServer(host, base, base / "server.log", *device_options()) as client,
            open_browser(base / "profile", *WINDOW) as page,
        ):
            for name, source in (("composite.png", "composite.jpg"), ("mask.png", "mask.png")):
                with Image.open(EXAMPLE / source) as picture:
                    picture.thumbnail((SIDE, SIDE))
                    picture.convert("RGB").save(base / name)
                client.upload(base / name)
            yield page, client.url


@app.command("help")
def node_help() -> None:
    """Every node at work, into web/docs/pictures."""
    with opened() as (page, url):
        open_page(
            page,
            url,
            Comfy_Minimap_Visible=False,
            Comfy_Graph_CanvasInfo=False,
            Comfy_NodeBadge_NodeSourceBadgeMode="None",
        )
        help.write(page)


@app.command("docs")
def user_pages() -> None:
    """The page as a user sees it, into docs/screens."""
    with opened() as (page, url):
        docs.write(page, url)


if __name__ == "__main__":
    app()
