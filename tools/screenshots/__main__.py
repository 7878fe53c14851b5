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

from ...cli.client import Client
from ...cli.server import HostServer, device_options
from . import docs, help
from .browser import open_browser, open_page
from .scenes import FILES

EXAMPLE = docs.ROOT / "workflows" / "examples" / "tree_golden"
SIDE = 1500  # of the example in the pictures, pixels
WINDOW = 1600, 1000
TALL = 1600, 1450  # for the node with the most inputs, its text and its pictures

app = typer.Typer(add_completion=False, help=__doc__, rich_markup_mode=None)


@contextmanager
def serving() -> Iterator[tuple[Client, Path]]:
    """A server whose input folder has the example, and a folder for the browser."""
    with TemporaryDirectory() as folder:
        base, host = Path(folder), Path(os.environ["COMFYUI_PATH"])
        for models, name in FILES.items():
            (base / "models" / models).mkdir(parents=True)
            (base / "models" / models / name).touch()
        with HostServer(host, base, base / "server.log", *device_options()) as client:
            for name, source in (("composite.png", "composite.jpg"), ("mask.png", "mask.png")):
                with Image.open(EXAMPLE / source) as picture:
                    picture.thumbnail((SIDE, SIDE))
                    picture.convert("RGB").save(base / name)
                client.upload(base / name)
            yield client, base / "profile"


@app.command("help")
def node_help() -> None:
    """Every node at work, into web/docs/pictures."""
    with serving() as (client, profile):
        scenes = help.run_scenes(client)
        with open_browser(profile, *TALL) as page:
            open_page(page, client.url, **help.SETTINGS)
            help.write(page, scenes)


@app.command("docs")
def user_pages() -> None:
    """The page as a user sees it, into docs/screens."""
    with serving() as (client, profile), open_browser(profile, *WINDOW) as page:
        docs.write(page, client.url)


if __name__ == "__main__":
    app()
