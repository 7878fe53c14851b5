"""Walk the README's three steps with a picture of one's own, by real clicks in a browser, and print the path.

    python -m diff_harmonization.tools.walk http://127.0.0.1:8188
    python -m diff_harmonization.tools.walk http://127.0.0.1:8188 --picture composite.jpg --mask mask.png --mask-file

asks a running server with the pack for its page. Every step is a click of the mouse on what the page draws; nothing is
called behind its back. Only the system's window that chooses a file is out of a driver's reach: its answer is given to
the page's own file input, and it counts as a file, not as a click.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import httpx
import numpy as np
import typer
from PIL import Image, ImageFilter
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.actions.mouse_button import MouseButton
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from .screenshots.browser import PATIENCE, open_browser, open_page, visible

EXAMPLE = Path(__file__).resolve().parents[1] / "workflows" / "examples" / "person_mountain"
TEMPLATE, PACK = "harmonize_routed", "diff_harmonization"
WINDOW = 1600, 1000
BRUSH = 10  # radius of the editor's brush, pixels of the picture

NODE = "const node = app.graph.nodes.find(node => node.title == arguments[0])"
# The middle of a node's title, or of one of its widgets, in the window.
PLACE = f"""{NODE}
const widget = node.widgets.find(widget => widget.label == arguments[1] || widget.name == arguments[1])
const {{scale, offset}} = app.canvas.ds, room = app.canvas.canvas.getBoundingClientRect()
const y = node.pos[1] + (widget ? widget.last_y + 10 : -15)
return [(node.pos[0] + node.size[0] / 2 + offset[0]) * scale + room.left, (y + offset[1]) * scale + room.top]"""
LOADED = f"{NODE}; return node?.imgs?.[0]?.naturalWidth > 0 && node.widgets[0].last_y > 0"
VALUE = f"{NODE}; return node.widgets.find(widget => widget.name == 'image').value"
SHOWN = f"{NODE}; return node.imgs?.[0]?.naturalWidth > 0 ? app.nodeOutputs[node.id].images[0] : null"
# The page makes a file input and clicks on it: it is kept within reach, and the system's window stays closed.
KEEP_FILE_INPUT = """HTMLInputElement.prototype.click = function () {
    this.dataset.chooser = ''
    this.style.display = 'none'
    document.body.append(this)
}"""
FILE_INPUT = "input[data-chooser]"
EDITOR = "[...document.querySelectorAll('canvas.absolute.top-0')]"
EDITOR_READY = f"return {EDITOR}.filter(canvas => canvas.width > 600).length >= 2"
EDITOR_PLACE = f"const box = {EDITOR}[0].getBoundingClientRect(); return [box.left, box.top, box.width, box.height]"
REST = "const [done] = arguments; setTimeout(done, 2500)"  # a spinner lies over the editor for a while
COMPLAINTS = "[data-testid=error-overlay]"


@dataclass
class Walk:
    """A browser, and the path so far."""

    page: Chrome
    path: list[str] = field(default_factory=list)
    clicks: int = 0
    files: int = 0

    def click(self, words: str, target: Callable[[], WebElement | tuple[float, float]], right: bool = False) -> None:
        """One click on an element of the page, or on a point of the window."""
        place, actions = target(), ActionChains(self.page)
        pointer = actions.w3c_actions.pointer_action
        if isinstance(place, tuple):
            pointer.move_to_location(*map(int, place))
        else:
            actions.scroll_to_element(place).move_to_element(place)
        button = MouseButton.RIGHT if right else MouseButton.LEFT
        pointer.pointer_down(button)
        pointer.pointer_up(button)
        actions.perform()
        self._note(words)

    def choose_file(self, words: str, file: Path, target: Callable[[], tuple[float, float]]) -> None:
        """A click on a button that opens the system's window, and the file chosen there."""
        self.page.execute_script(KEEP_FILE_INPUT)
        self.click(words, target)
        found = WebDriverWait(self.page, 30).until(lambda page: page.find_elements(By.CSS_SELECTOR, FILE_INPUT))
        found[-1].send_keys(str(file.resolve()))
        self.files += 1

    def stroke(self, words: str, points: list[tuple[float, float]]) -> None:
        """One stroke of the pressed mouse through points of the window; it counts as a click."""
        stroke = ActionChains(self.page, duration=8)
        pointer = stroke.w3c_actions.pointer_action
        pointer.move_to_location(*map(int, points[0]))
        pointer.pointer_down()
        for point in points[1:]:
            pointer.move_to_location(*map(int, point))
        pointer.pointer_up()
        stroke.perform()
        self._note(words)

    def _note(self, words: str) -> None:
        self.clicks += 1
        self.path.append(words)

    def wait(self, script: str, *arguments: str) -> None:
        """Until a script of the page gives something true."""
        WebDriverWait(self.page, PATIENCE).until(lambda page: page.execute_script(script, *arguments))

    def seen(self, selector: str, text: str = "") -> Callable[[], WebElement]:
        """Finds the element with this text, as soon as it can be seen."""
        found = lambda _: [each for each in visible(self.page, selector) if text in each.text]  # noqa: E731
        return lambda: WebDriverWait(self.page, PATIENCE).until(found)[0]

    def drawn(self, title: str, widget: str = "") -> Callable[[], tuple[float, float]]:
        """Finds the title of a box on the canvas, or one of its buttons."""
        return lambda: tuple(self.page.execute_script(PLACE, title, widget))

    def told(self) -> str:
        steps = "\n".join(f"{number:2}. {words}" for number, words in enumerate(self.path, 1))
        return f"{steps}\n{self.clicks} clicks, {self.files} file{'s' if self.files > 1 else ''} chosen."


def open_template(walk: Walk) -> None:
    """Step 1 of the README."""
    walk.click("Templates, in the bar on the left", walk.seen("button[aria-label=Templates]"))
    entry = f"//*[normalize-space(.)='{PACK}']"
    found = lambda page: page.find_elements(By.XPATH, entry)  # noqa: E731
    walk.click(f"{PACK}, under Extensions", lambda: WebDriverWait(walk.page, PATIENCE).until(found)[-1])
    card = f"[data-testid=template-workflow-{TEMPLATE}] [data-testid=thumbnail-content]"
    walk.click(TEMPLATE, walk.seen(card))
    walk.wait(LOADED, "Composite")


def choose_picture(walk: Walk, picture: Path, title: str = "Composite") -> None:
    """The first half of step 2, or the file of a mask."""
    before = walk.page.execute_script(VALUE, title)
    words = f"choose file to upload, in the box {title}: {picture.name}"
    walk.choose_file(words, picture, walk.drawn(title, "upload"))
    WebDriverWait(walk.page, PATIENCE).until(lambda page: page.execute_script(VALUE, title) != before)
    walk.wait(LOADED, title)


def paint_mask(walk: Walk, mask: Path) -> None:
    """The second half of step 2: paint what the file marks on the picture."""
    walk.click("right click on the box Composite", walk.drawn("Composite"), right=True)
    walk.click("Open in MaskEditor", walk.seen(".litemenu-entry, [role=menuitem]", "Open in MaskEditor"))
    walk.wait(EDITOR_READY)
    walk.page.execute_async_script(REST)
    left, top, width, height = walk.page.execute_script(EDITOR_PLACE)
    with Image.open(mask) as opened:
        reach = max(1, round(BRUSH * width / opened.width))
        marked = opened.convert("L").resize((int(width), int(height)))
    painted = [(left + x, top + y) for x, y in lines(marked, reach)]
    walk.stroke("paint over the object, in one stroke", painted)
    walk.click("Save", walk.seen("button", "Save"))
    WebDriverWait(walk.page, PATIENCE).until(lambda page: "clipspace" in page.execute_script(VALUE, "Composite"))


def lines(marked: Image.Image, reach: int) -> list[tuple[int, int]]:
    """The ends (x, y) of lines to and fro over what is white; a brush of radius `reach` then ends at its edge.

    The parts of one row are joined.
    """
    inner = np.asarray(marked.filter(ImageFilter.MinFilter(2 * reach + 1))) > 127
    points: list[tuple[int, int]] = []
    for row in np.flatnonzero(inner.any(1))[::reach]:
        columns = np.flatnonzero(inner[row])
        ends = [(int(columns[0]), int(row)), (int(columns[-1]), int(row))]
        points += ends if len(points) % 4 == 0 else ends[::-1]
    return points


def run(walk: Walk, url: str) -> Image.Image:
    """Step 3; gives the result, whole, once the page shows it."""
    walk.click("Run", walk.seen("[data-testid=queue-button]"))
    result = WebDriverWait(walk.page, PATIENCE).until(
        lambda page: page.execute_script(SHOWN, "Save the result") or visible(page, COMPLAINTS)
    )
    if not isinstance(result, dict):
        raise RuntimeError(f"The page complains: {' '.join(each.text for each in result)}")
    reply = httpx.get(f"{url}/view", params=result, trust_env=False)
    return Image.open(io.BytesIO(reply.raise_for_status().content)).convert("RGB")


def walk_through(
    page: Chrome, url: str, picture: Path, mask: Path, mask_file: bool = False
) -> tuple[Walk, Image.Image]:
    """All three steps in a page that is open.

    Args:
        picture: the composite.
        mask: white on its object, of the same size.
        mask_file: choose the mask as a file; else it is painted on the picture.

    Returns:
        the path, and the harmonized picture.
    """
    walk = Walk(page)
    open_template(walk)
    choose_picture(walk, picture)
    if mask_file:
        choose_picture(walk, mask, "Mask")
    else:
        paint_mask(walk, mask)
    return walk, run(walk, url)


def main(
    server: Annotated[str, typer.Argument(help="A running server, such as http://127.0.0.1:8188.")],
    picture: Annotated[Path, typer.Option(help="A composite.")] = EXAMPLE / "composite.jpg",
    mask: Annotated[Path, typer.Option(help="Its mask: white on the object, black elsewhere.")] = EXAMPLE / "mask.png",
    mask_file: Annotated[bool, typer.Option(help="Choose the mask as a file; else it is painted.")] = False,
) -> None:
    """Print the path from the README to a picture that is harmonized."""
    url = server.rstrip("/")
    with TemporaryDirectory() as profile, open_browser(Path(profile), *WINDOW) as page:
        open_page(page, url)
        walk, result = walk_through(page, url, picture, mask, mask_file)
    typer.echo(f"{walk.told()}\nThe result has {result.width}x{result.height} pixels.")


if __name__ == "__main__":
    typer.run(main)
