"""What happens on the canvas: a run, errors in the host's box, passes to pick from."""

import pytest
from driving import GROUPS, NODES, RUNS, click, complaints, covering, load, outside, run, view_details, visible
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.support.ui import WebDriverWait

TITLED = "app.graph.nodes.find(node => node.title == arguments[0])"
WIDGET = f"{TITLED}.widgets.find(widget => widget.name == arguments[1])"
OUTPUT = f"return app.nodeOutputs[{TITLED}.id]"
MAKE_SMALL = """for (const [name, value] of Object.entries({steps: 2, k: 1, max_passes: 1, steps_per_timestep: 0}))
    app.graph.nodes.find(node => node.type == 'Harmonize').widgets.find(widget => widget.name == name).value = value"""
SHOWN = """return app.graph.nodes.filter(node => node.type == 'SaveImage')
    .every(node => node.imgs?.[0]?.naturalWidth > 0)"""
PICKER = "return document.querySelector('[data-testid=pass_picker]')?.innerText ?? ''"


@pytest.fixture
def routed(page):
    load(page, "harmonize_routed")
    page.execute_script(RUNS)
    return page


def test_a_fresh_template_runs_on_the_example(routed, server):
    assert not complaints(routed)
    run(routed)
    assert routed.execute_script(OUTPUT, "Object Mask")["text"] == ["The mask is the one of the file."]
    WebDriverWait(routed, 60).until(lambda page: page.execute_script(SHOWN))
    nodes, groups = routed.execute_script(NODES), routed.execute_script(GROUPS)  # grown by what they show
    assert not covering(nodes)
    assert not outside(nodes, groups)


def told(page, expected):
    """What the page says after a run that fails, when the host's error box is opened; it has the sentence expected."""
    click(page, "[data-testid=queue-button]")
    WebDriverWait(page, 120).until(lambda _: complaints(page))
    view_details(page)
    body = lambda: page.execute_script("return document.body.innerText")  # noqa: E731
    try:
        WebDriverWait(page, 120).until(lambda _: expected in body())
    except TimeoutException:
        pytest.fail(f"'{expected}' is not told: {body()}")
    return body()


def test_a_mask_of_another_size_opens_the_hosts_error_box(routed):
    routed.execute_script(f"{WIDGET}.value = arguments[2]", "Mask", "image", "harmonize_example_background_mask.png")
    message = told(routed, "ObjectMask, input file: nothing is painted on the picture")
    assert "Open in Mask Editor" in message


def test_a_clip_of_another_model_opens_the_hosts_error_box(page, server_base):
    from checkpoints import write_sd1

    folder = server_base / "models" / "checkpoints"
    if not (folder / "tiny_sd1.ckpt").exists():
        write_sd1(folder / "tiny_sd1.ckpt")
    load(page, "harmonize_one_node")
    page.execute_script(MAKE_SMALL)
    page.execute_script("""const loader = LiteGraph.createNode('CheckpointLoaderSimple')
        app.graph.add(loader)
        loader.widgets[0].value = 'tiny_sd1.ckpt'
        loader.connect(1, app.graph.nodes.find(node => node.type == 'Harmonize'), 'clip')""")
    told(page, "input clip: it gives texts 768 numbers wide, and the model reads 256")


def test_missing_weights_open_the_hosts_error_box(page):
    load(page, "harmonize_one_node")
    page.execute_script(f"{WIDGET}.value = 'nowhere.safetensors'", "Load Harmony Evaluator", "name")
    told(page, "Load Harmony Evaluator - name")


def test_the_passes_can_be_flipped_through_and_one_taken(page):
    load(page, "harmonize_one_node")
    page.execute_script(RUNS)
    page.execute_script(MAKE_SMALL)
    run(page)
    page.execute_script("""const node = app.graph.nodes.find(node => node.type == 'Harmonize')
        Object.assign(app.canvas.ds, {scale: 0.8, offset: [300 - node.pos[0], 60 - node.pos[1]]})
        app.canvas.setDirty(true, true)""")
    WebDriverWait(page, 120).until(lambda _: "score" in page.execute_script(PICKER))
    first = page.execute_script(PICKER)
    assert "this is the result, the loop's choice" in first and "of 5: " in first  # composite, four proposals, one pass
    back, on, take, own = visible(page, "[data-testid=pass_picker] button")
    on.click()
    second = page.execute_script(PICKER)
    assert second.splitlines()[0] != first.splitlines()[0] and "this is the result" not in second
    number = int(second.split(" of ")[0])
    before = page.execute_script("return window.runs")
    take.click()
    WebDriverWait(page, 120).until(lambda _: page.execute_script("return window.runs") > before)
    picked = lambda _: page.execute_script(PICKER).startswith(f"{number} of 5: ")  # noqa: E731
    WebDriverWait(page, 120).until(picked)
    assert "(this is the result)" in page.execute_script(PICKER)
