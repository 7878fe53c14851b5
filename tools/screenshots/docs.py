"""The page as a user sees it, for docs/screens."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from .browser import click, open_page, screenshot, select_node, visible

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "screens"
START = "harmonize_routed"  # where the README sends everybody
NODE = "RoutedHarmonize"
PATIENCE = 600  # seconds for a run
WANTED = "match light"
QUIET = {"Comfy_Minimap_Visible": False, "Comfy_Graph_CanvasInfo": False}

LOAD = "const [graph, done] = arguments; app.loadGraphData(graph).then(() => done(null), error => done(String(error)))"
# The whole graph, between the page's menus.
FIT = """const sides = app.graph.nodes.map(node => [node.pos[0], node.pos[1],
    node.pos[0] + node.size[0], node.pos[1] + node.size[1]])
const [left, top] = [0, 1].map(side => Math.min(...sides.map(each => each[side])))
const [right, bottom] = [2, 3].map(side => Math.max(...sides.map(each => each[side])))
const room = app.canvas.canvas.getBoundingClientRect()
const scale = Math.min((room.width - 160) / (right - left), (room.height - 220) / (bottom - top))
Object.assign(app.canvas.ds, {scale, offset: [100 / scale - left, 150 / scale - top]})
app.canvas.setDirty(true, true)"""
FULL = """return app.graph.nodes.filter(node => ['SaveImage', 'PreviewImage'].includes(node.type))
    .every(node => node.imgs?.length && node.imgs[0].naturalWidth > 0)"""
HELPED = """const pictures = [...document.querySelectorAll('.node-help-content img')]
return pictures.length > 0 && pictures.every(picture => picture.naturalWidth > 0)"""
# Of the templates that can be seen.
THUMBNAILS = """return [...document.querySelectorAll('[data-testid^=template-workflow-]')]
    .filter(card => card.getBoundingClientRect().top < innerHeight)
    .every(card => [...card.querySelectorAll('img')].some(picture => picture.complete && picture.naturalWidth))"""
REST = "const [done] = arguments; setTimeout(done, 1500)"  # what moves comes to rest


def load(page: Chrome) -> None:
    fault = page.execute_async_script(LOAD, json.loads((ROOT / "workflows" / f"{START}.json").read_text("utf-8")))
    if fault:
        raise RuntimeError(f"{START} does not load: {fault}")


def templates(page: Chrome, url: str) -> None:
    open_page(page, url, **QUIET)
    click(page, "button[aria-label=Templates]")
    entry = "//*[normalize-space(.)='diff_harmonization']"
    WebDriverWait(page, 60).until(lambda browser: browser.find_elements(By.XPATH, entry))[-1].click()
    WebDriverWait(page, 60).until(lambda _: visible(page, f"[data-testid=template-workflow-{START}]"))
    WebDriverWait(page, 120).until(lambda _: page.execute_script(THUMBNAILS))


def run(page: Chrome, url: str) -> None:
    open_page(page, url, **QUIET, LiteGraph_Canvas_MinFontSizeForLOD=0)
    load(page)
    click(page, "[data-testid=queue-button]")
    WebDriverWait(page, PATIENCE).until(lambda _: page.execute_script(FULL))
    page.execute_script(FIT)


def help_page(page: Chrome, url: str, **settings: Any) -> None:
    open_page(page, url, **QUIET, **settings)
    load(page)
    select_node(page, NODE)
    click(page, "[data-testid=info-button]")
    WebDriverWait(page, 60).until(lambda _: page.execute_script(HELPED))


def search(page: Chrome, url: str) -> None:
    open_page(page, url, **QUIET)
    page.execute_script("app.graph.clear(); app.extensionManager.command.execute('Workspace.SearchBox.Toggle')")
    page.execute_async_script(REST)
    ActionChains(page).send_keys(WANTED).perform()
    WebDriverWait(page, 60).until(lambda _: "Routed Harmonize" in page.find_element(By.TAG_NAME, "body").text)


def chinese(page: Chrome, url: str) -> None:
    help_page(page, url, Comfy_Locale="zh")


# The language stays as it was set last, so the Chinese page comes last.
SCREENS: tuple[Callable[[Chrome, str], None], ...] = (templates, run, help_page, search, chinese)


def write(page: Chrome, url: str) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for show in SCREENS:
        show(page, url)
        page.execute_async_script(REST)
        picture: Image.Image = screenshot(page)
        picture.save(FOLDER / f"{show.__name__}.jpg", quality=85, optimize=True)
        ActionChains(page).send_keys(Keys.ESCAPE).perform()
