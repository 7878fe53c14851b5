"""What the page says of the nodes: help, other languages, and what a search finds."""

import pytest
from driving import click, visible
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from diff_harmonization.tools.screenshots.browser import open_page, select_node

ADD = """app.graph.clear()
app.graph.add(LiteGraph.createNode(arguments[0]))"""
NAMES = """const [node] = app.graph.nodes
return [node.title, ...node.inputs.map(slot => slot.label ?? slot.localized_name),
    ...node.widgets.map(widget => widget.label), ...node.outputs.map(slot => slot.label ?? slot.localized_name)]"""
CATEGORY = "return LiteGraph.registered_node_types[arguments[0]].nodeData.category"
LOADED = """const pictures = [...document.querySelectorAll('.node-help-content img')]
return pictures.length > 0 && pictures.every(picture => picture.naturalWidth > 300)"""


def help_page(page, node):
    """Clicks on a node on the canvas, presses its info button, and gives the text of the help that appears."""
    page.execute_script(ADD, node)
    select_node(page, node)
    click(page, "[data-testid=info-button]")
    shown = lambda _: [text for each in visible(page, ".node-help-content") if (text := each.text)]  # noqa: E731
    return WebDriverWait(page, 120).until(shown)[0]


def test_a_node_shows_its_help(page):
    text = help_page(page, "RoutedHarmonize")
    assert text.startswith("Routed Harmonize\n")
    for part in (
        "When to use it",
        "Inputs",
        "strength (FLOAT, 0 to 2, default 1)",
        "Outputs",
        "Sun et al., IJCAI 2024",
    ):
        assert part in text
    WebDriverWait(page, 120).until(lambda _: page.execute_script(LOADED))


def test_a_search_for_what_one_wants_finds_the_node(page):
    for words, found in (("relight", "Harmonize Composite"), ("match light", "Routed Harmonize")):
        page.execute_script(
            "app.canvas.deselectAll(); app.extensionManager.command.execute('Workspace.SearchBox.Toggle')"
        )
        field = WebDriverWait(page, 120).until(lambda _: visible(page, "input[role=combobox], .p-autocomplete-input"))[
            0
        ]
        field.send_keys(words)
        results = lambda _, found=found: [e for e in visible(page, "[data-testid=result-item]") if found in e.text]  # noqa: E731
        WebDriverWait(page, 120).until(results, f"{found} is not among the results for {words}")
        field.send_keys(Keys.ESCAPE)


@pytest.fixture
def chinese(page, server):
    open_page(page, server.url, Comfy_Locale="zh")
    yield page
    open_page(page, server.url, Comfy_Locale="en")


def test_a_chinese_page_has_chinese_names_and_help(chinese):
    text = help_page(chinese, "RoutedHarmonize")
    assert text.startswith("语义路由和谐化\n")
    for part in ("何时使用", "强度 strength（FLOAT，0 到 2，默认 1）", "论文"):
        assert part in text
    names = chinese.execute_script(NAMES)
    assert names[0] == "语义路由和谐化"
    assert {"和谐化器", "图像", "遮罩", "强度", "局部变化", "重要度图", "评价器", "LUT"} == set(names[1:])
    assert chinese.execute_script(CATEGORY, "RoutedHarmonize") == "Diff-Harmonization 图像和谐化/语义路由"
