"""The text that a node's run gives stands on the node, and is no part of the graph (web/shown_text.js)."""

import pytest
from driving import PROMPT, RUNS, run, visible
from graphs import add
from selenium.webdriver.support.ui import WebDriverWait

NAME = "shown_text"
WRITTEN = "cat & (foreground) bright summer & (background) dusk cold"
SCRIPT = "0.1 0.2 0.3"
# A zoom at which the frontend draws text areas, and everything within the window.
LOAD_API = """app.loadApiJson(arguments[0], 'test')
const [left, top] = [0, 1].map(axis => Math.min(...app.graph.nodes.map(node => node.pos[axis])))
Object.assign(app.canvas.ds, {scale: 0.75, offset: [100 - left, 100 - top]})
app.canvas.setDirty(true, true)"""
SHOWN = """const texts = {}
for (const node of app.graph.nodes)
    for (const widget of node.widgets ?? [])
        if (widget.name == arguments[0]) (texts[node.type] ??= []).push(widget.value)
return texts"""
SAVED = "return app.graph.nodes.map(node => [node.type, node.serialize().widgets_values ?? []])"
SET = """app.graph.nodes.find(node => node.type == arguments[0]).widgets
    .find(widget => widget.name == arguments[1]).value = arguments[2]"""
FITS = """return app.graph.nodes.flatMap(node => (node.widgets ?? []).map(widget => [node, widget]))
    .filter(([node, widget]) => widget.name == arguments[0]).every(([node, widget]) =>
        widget.y + widget.computedHeight <= node.size[1]
        && widget.element.scrollHeight <= widget.element.clientHeight)"""
RELOAD = """const [done] = arguments, outputs = JSON.parse(JSON.stringify(app.nodeOutputs))
app.loadGraphData(app.graph.serialize()).then(() => { app.nodeOutputs = outputs; done(null) })"""


def pictures():
    graph = add({}, "composite", "LoadImage", image="shown_composite.png")
    add(graph, "mask", "LoadImageMask", image="shown_mask.png", channel="red")
    return add(graph, "view", "WorkingView", image=["composite", 0], mask=["mask", 0], size=256, mode="crop")


@pytest.fixture
def described(page):
    """A graph that describes and judges: two nodes have words, one a score, the others no text."""
    graph, view = pictures(), {"image": ["view", 0], "mask": ["view", 1]}
    add(graph, "describe", "LocalDescribe", **view, object="cat", provider="statistics", seed=0)
    pick = {"text": WRITTEN, "mode": "replace", "index": 0, "strict": True}
    add(graph, "pick", "DescribePicker", descriptions=["describe", 2], **pick)
    add(graph, "evaluator", "LoadHarmonyEvaluator", name="embedded")
    add(graph, "score", "HarmonyScore", evaluator=["evaluator", 0], **view)
    add(graph, "words", "PreviewAny", source=["pick", 1])
    add(graph, "number", "PreviewAny", source=["score", 0])
    page.execute_script(f"{LOAD_API}\n{RUNS}", graph)
    return page


def texts_of_run(page):
    run(page, 120)
    return page.execute_script(SHOWN, NAME)


def on_screen(page):
    """What the page's read-only text areas that can be seen say."""
    return [area.get_property("value") for area in visible(page, "textarea") if area.get_property("readOnly")]


def wait_for_screen(page, texts):
    """Every text can be seen once."""
    expected = [text for node in texts.values() for text in node]
    once = lambda _: all(on_screen(page).count(text) == 1 for text in expected)  # noqa: E731
    WebDriverWait(page, 120).until(once, f"not on the screen once each: {expected}")


def test_words_and_score_stand_on_their_nodes(described):
    assert described.execute_script(SHOWN, NAME) == {}
    shown = texts_of_run(described)
    assert set(shown) == {"LocalDescribe", "DescribePicker", "HarmonyScore"}
    assert shown["DescribePicker"] == [f"> {WRITTEN}"]
    (listing,), (score,) = shown["LocalDescribe"], shown["HarmonyScore"]
    assert len(listing.splitlines()) >= 3 and "> cat & (foreground)" in listing
    assert 0 <= float(score) <= 1
    wait_for_screen(described, shown)
    assert described.execute_script(FITS, NAME)


def test_the_text_is_neither_posted_nor_saved(described):
    posted, saved = described.execute_async_script(PROMPT), described.execute_script(SAVED)
    texts_of_run(described)
    assert described.execute_async_script(PROMPT) == posted
    assert described.execute_script(SAVED) == saved


def test_another_run_renews_the_text(described):
    first = texts_of_run(described)
    other = WRITTEN.replace("bright", "golden")
    described.execute_script(SET, "DescribePicker", "text", f"{WRITTEN}\n{other}")
    second = texts_of_run(described)
    assert second == first | {"DescribePicker": [f"> {WRITTEN}\n   {other}"]}
    wait_for_screen(described, second)


def test_cached_nodes_show_their_text_again(described):
    shown = texts_of_run(described)
    described.execute_async_script(
        "const [done] = arguments; app.loadGraphData(app.graph.serialize()).then(() => done(null))"
    )
    assert described.execute_script(SHOWN, NAME) == {}
    assert texts_of_run(described) == shown


def test_the_text_comes_back_with_the_workflow(described):
    shown = texts_of_run(described)
    described.execute_async_script(RELOAD)
    assert described.execute_script(SHOWN, NAME) == shown


def test_a_widget_that_comes_later_is_saved_before_the_text(described):
    texts_of_run(described)
    described.execute_script(SET, "LocalDescribe", "provider", "clip")
    posted = described.execute_async_script(PROMPT)
    (saved,) = (values for kind, values in described.execute_script(SAVED) if kind == "LocalDescribe")
    assert saved[:2] == ["cat", "clip"] and None not in saved and "fixed" in saved
    described.execute_async_script(RELOAD)
    assert described.execute_async_script(PROMPT) == posted


def test_the_loop_tells_its_decisions_beside_its_pictures(page):
    graph = pictures()
    add(graph, "loop", "IterateLoop", image=["view", 0], mask=["view", 1], seed=0)
    add(graph, "tint", "ScriptedTint", image=["loop", 1], mask=["loop", 2], seed=["loop", 3])
    add(graph, "first", "ScriptedScore", image=["view", 0], pass_index=["first_index", 0], script=SCRIPT)
    add(graph, "first_index", "PrimitiveInt", value=0, control_after_generate="fixed")
    add(graph, "judge", "ScriptedScore", image=["tint", 0], pass_index=["loop", 4], script=SCRIPT)
    limits = {"k": 1, "max_passes": 2, "new_descriptions": "next seed"}
    scores = {"score": ["judge", 0], "first_score": ["first", 0]}
    add(graph, "end", "IterateLoopEnd", flow=["loop", 0], image=["tint", 0], **scores, **limits)
    add(graph, "best", "PreviewImage", images=["end", 0])
    page.execute_script(f"{LOAD_API}\n{RUNS}", graph)
    shown = texts_of_run(page)
    assert set(shown) == {"IterateLoopEnd"}
    (lines,) = (text.splitlines() for text in shown["IterateLoopEnd"])
    assert [line.split()[:3] for line in lines[1:]] == [["pass", "1:", "0.2000"], ["pass", "2:", "0.3000"]]
    assert "conclude: pass 2 is the result" in lines[-1]
    wait_for_screen(page, shown)
    loaded = "return app.graph.nodes.find(node => node.type == 'IterateLoopEnd').imgs?.[0].naturalWidth > 0"
    WebDriverWait(page, 120).until(lambda _: page.execute_script(loaded))
    assert page.execute_script(FITS, NAME)
