"""The page as a user sees it, for docs/screens."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from .browser import click, open_page, screenshot, visible

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "screens"
START = "harmonize_routed"  # where the README sends everybody
NODE = "RoutedHarmonize"
PATIENCE = 600  # seconds for a run
WANTED = "match light"

LOAD = "const [graph, done] = arguments; app.loadGraphData(graph).then(() => done(null), error => done(String(error)))"
# The whole graph, between the page's menus.
FIT = """const sides = app.graph.nodes.map(node => [node.pos[0], node.pos[1],
    node.pos[0] + node.size[0], node.pos[1] + node.size[1]])
const [left, top] = [0, 1].map(side => Math.min(...sides.map(each => each[side])))
const [right, bottom] = [2, 3].map(side => Math.max(...sides.map(each => each[side])))
const room = app.canvas.canvas.getBoundingClientRect()
const scale = Math.min((room.width - 140) / (right - left), (room.height - 160) / (bottom - top + 60))
Object.assign(app.canvas.ds, {scale, offset: [90 / scale - left, 90 / scale - top + 30]})
app.canvas.setDirty(true, true)"""
SHOW = """const node = app.graph.nodes.find(node => node.type == arguments[0])
Object.assign(app.canvas.ds, {scale: 1, offset: [arguments[1] - node.pos[0], 260 - node.pos[1]]})
app.canvas.select(node)
app.canvas.setDirty(true, true)"""
FULL = """return app.graph.nodes.filter(node => ['SaveImage', 'PreviewImage'].includes(node.type))
    .every(node => node.imgs?.length && node.imgs[0].naturalWidth > 0)"""
HELPED = """const pictures = [...document.querySelectorAll('.node-help-content img')]
return pictures.length > 0 && pictures.every(picture => picture.naturalWidth > 0)"""
REST = "const [done] = arguments; setTimeout(done, 1500)"  # what moves comes to rest


def load(page: Chrome) -> None:
    fault = page.execute_async_script(LOAD, json.loads((ROOT / "workflows" / f"{START}.json").read_text("utf-8")))
    if fault:
        raise RuntimeError(f"{START} does not load: {fault}")


def templates(page: Chrome, url: str) -> None:
    open_page(page, url)
    click(page, "button[aria-label=Templates]")
    entry = "//*[normalize-space(.)='diff_harmonization']"
    WebDriverWait(page, 60).until(lambda browser: browser.find_elements(By.XPATH, entry))[-1].click()
    WebDriverWait(page, 60).until(lambda _: visible(page, f"[data-testid=template-workflow-{START}]"))


def run(page: Chrome, url: str) -> None:
    open_page(page, url, Comfy_Minimap_Visible=False)
    load(page)
    click(page, "[data-testid=queue-button]")
    WebDriverWait(page, PATIENCE).until(lambda _: page.execute_script(FULL))
    page.execute_script(FIT)


def help_page(page: Chrome, url: str, left: int = 1050, **settings: str) -> None:
    open_page(page, url, Comfy_Minimap_Visible=False, **settings)
    load(page)
    page.execute_script(SHOW, NODE, left)
    click(page, "[data-testid=info-button]")
    WebDriverWait(page, 60).until(lambda _: page.execute_script(HELPED))


def search(page: Chrome, url: str) -> None:
    open_page(page, url, Comfy_Minimap_Visible=False)
    page.execute_script("app.graph.clear(); app.extensionManager.command.execute('Workspace.SearchBox.Toggle')")
    page.execute_async_script(REST)
    ActionChains(page).send_keys(WANTED).perform()
    WebDriverWait(page, 60).until(lambda _: "Routed Harmonize" in page.find_element(By.TAG_NAME, "body").text)


def chinese(page: Chrome, url: str) -> None:
    try:
        help_page(page, url, Comfy_Locale="zh")
    finally:
        page.execute_script("app.extensionManager.setting.set('Comfy.Locale', 'en')")


SCREENS: tuple[Callable[[Chrome, str], None], ...] = (templates, run, help_page, search, chinese)


def write(page: Chrome, url: str) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for show in SCREENS:
        show(page, url)
        page.execute_async_script(REST)
        picture: Image.Image = screenshot(page)
        picture.save(FOLDER / f"{show.__name__}.jpg", quality=85, optimize=True)
        ActionChains(page).send_keys(Keys.ESCAPE).perform()
