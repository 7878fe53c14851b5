"""The shipped files against the server's own list of nodes."""

import itertools
import json

import pytest
from drawings import all_nodes, definitions, sources
from graphs import WORKFLOWS
from PIL import Image

from diff_harmonization.host.examples import OFFERED
from diff_harmonization.tools.workflows import build

NAMES = sorted(path.stem for path in WORKFLOWS.glob("*.json"))
WIDGETS = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO", "COMFY_DYNAMICCOMBO_V3", "IMAGECOMPARE"}
TITLE_BAR = 30  # pixels above a node's position


@pytest.fixture(scope="module")
def info(server):
    return server.object_info()


@pytest.fixture(params=NAMES)
def drawn(request):
    return json.loads((WORKFLOWS / f"{request.param}.json").read_text(encoding="utf-8"))


@pytest.fixture
def api(drawn, request):
    name = request.node.callspec.params["drawn"]
    return json.loads((WORKFLOWS / "api" / f"{name}.json").read_text(encoding="utf-8"))


def declared_inputs(info, kind):
    declared = info[kind]["input"]
    for name, (type_, *options) in (declared.get("required", {}) | declared.get("optional", {})).items():
        options = options[0] if options else {}
        type_ = "COMBO" if isinstance(type_, list) else type_
        yield name, type_, type_ in WIDGETS and not options.get("forceInput"), options


def widget_names(info, kind):
    """One a value in widgets_values; None stands for what the browser adds: controls in place, upload buttons last."""
    widgets = [(name, options) for name, _, is_widget, options in declared_inputs(info, kind) if is_widget]
    for name, options in widgets:
        yield name
        if options.get("control_after_generate") or name == "seed":  # the browser's own rule
            yield None
    yield from (None for _, options in widgets if options.get("image_upload"))


def inputs_of(node, info, keys, feeds):
    """A drawn node's inputs in the API's form."""
    names, values = list(widget_names(info, node["type"])), node["widgets_values"]
    assert len(values) == len(names), f"{node['type']} has {len(values)} widget values for {names}"
    # The browser marks a value that is a list: bare it would be a link.
    inputs = {
        name: {"__value__": value} if isinstance(value, list) else value
        for name, value in zip(names, values, strict=True)
        if name
    }
    for drawn_input in node["inputs"]:
        if feed := feeds.get((node["id"], drawn_input["name"])):
            inputs[drawn_input["name"]] = [keys[feed[0]], feed[1]]
    return inputs


def test_both_forms_are_shipped():
    assert {"harmonize", "harmonize_sd2"} <= set(NAMES)
    assert {path.stem for path in (WORKFLOWS / "api").glob("*.json")} == set(NAMES)


def test_they_are_what_the_builder_writes(server):
    info = build.NodeInfo(server.url)
    for name, groups in build.workflows().items():
        for folder, form in ((WORKFLOWS, build.ui_form), (WORKFLOWS / "api", build.api_form)):
            shipped = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
            assert json.loads(json.dumps(form(groups, info))) == shipped, f"run tools.workflows: {name}"


def test_the_browser_finds_them(server):
    """The host lists every top-level *.json of several folders, and serves only the first of those folders."""
    (pack,) = server.get_json("/workflow_templates")
    assert sorted(server.get_json("/workflow_templates")[pack]) == NAMES
    for name in NAMES:
        served = server.get_json(f"/api/workflow_templates/{pack}/{name}.json")
        assert served == json.loads((WORKFLOWS / f"{name}.json").read_text(encoding="utf-8"))


def test_each_has_a_thumbnail():
    """The template browser asks for NAME.jpg."""
    assert {path.stem for path in WORKFLOWS.glob("*.jpg")} == set(NAMES)
    for name in NAMES:
        with Image.open(WORKFLOWS / f"{name}.jpg") as picture:
            assert picture.format == "JPEG" and picture.width >= 600


def prompted(drawn):
    """The nodes that go into a prompt: all but the browser's notes."""
    return [node for node in all_nodes(drawn) if node["type"] != "MarkdownNote"]


def test_a_note_says_what_to_do_first(drawn):
    (note,) = (node for node in drawn["nodes"] if node["type"] == "MarkdownNote")
    assert note["title"] == "Start here"
    assert note["widgets_values"][0].splitlines()[0].startswith(("1. Composite", "1. Picture", "1. Background"))


def test_its_pictures_are_those_that_the_pack_offers(api):
    """A fresh template finds them in the input folder, so nothing is missing."""
    loaded = [node["inputs"]["image"] for node in api.values() if node["class_type"].startswith("LoadImage")]
    assert loaded and set(loaded) <= set(OFFERED)


def test_a_mask_may_be_painted_on_the_picture(api, request):
    """Where there is one mask, the one that is painted comes first and a file's is the other way."""
    masks = [node["inputs"] for node in api.values() if node["class_type"] == "ObjectMask"]
    if request.node.callspec.params["drawn"] not in ("instances", "paste_object"):
        (mask,) = masks
        assert api[mask["painted"][0]]["class_type"] == "LoadImage" and mask["painted"][1] == 1
        assert mask["image"] == [mask["painted"][0], 0] and api[mask["file"][0]]["class_type"] == "LoadImageMask"


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("harmonize_loop", "regions")])
def test_titles_are_readable_when_it_opens(name):
    """The browser shows the whole graph with a margin; the two that draw the whole loop are too large for that."""
    drawn = json.loads((WORKFLOWS / f"{name}.json").read_text(encoding="utf-8"))
    width, height = (max(group["bounding"][n] + group["bounding"][n + 2] for group in drawn["groups"]) for n in (0, 1))
    assert min(0.75 * 1920 / width, 0.75 * 937 / height) > 8 / 14  # letters of 14 units, 8 pixels at least


def test_every_template_compares_before_and_after(api):
    if "InverseHarmonize" not in {node["class_type"] for node in api.values()}:
        assert "ImageCompare" in {node["class_type"] for node in api.values()}


def test_blueprints_are_what_the_builder_writes_and_the_host_offers_them(server):
    info = build.NodeInfo(server.url)
    written = build.blueprints(info)
    assert len(written) == 2
    for name, form in written.items():
        shipped = json.loads((build.SUBGRAPHS / f"{name}.json").read_text(encoding="utf-8"))
        assert json.loads(json.dumps(form)) == shipped, "run tools.workflows"
    offered = server.get_json("/global_subgraphs").values()
    ours = {each["name"] for each in offered if each["info"]["node_pack"] == "custom_nodes.diff_harmonization"}
    assert ours == set(written)


def test_every_node_and_input_exists(api, info):
    for key, node in api.items():
        assert node["class_type"] in info, f"{key}: the server has no {node['class_type']}"
        declared = {name: type_ for name, type_, *_ in declared_inputs(info, node["class_type"])}
        required = info[node["class_type"]]["input"].get("required", {})
        assert set(required) <= set(node["inputs"]) <= set(declared), key
        for name, value in node["inputs"].items():
            if isinstance(value, list):
                source, output = value
                given = info[api[source]["class_type"]]["output"][output]
                assert declared[name] in (given, "*"), f"{key}, {name}"


def test_drawing_and_api_agree(drawn, api, info):
    """The drawn graph, converted as the browser does it, is the API's graph."""
    nodes = prompted(drawn)
    keys = {node["id"]: key for node, key in zip(nodes, api, strict=True)}
    feeds = sources(drawn)
    for node in nodes:
        expected = api[keys[node["id"]]]
        assert node["type"] == expected["class_type"]
        assert node.get("title", info[node["type"]]["display_name"]) == expected["_meta"]["title"]
        assert inputs_of(node, info, keys, feeds) == expected["inputs"]


def test_links_join_their_slots(drawn, info):
    nodes = {node["id"]: node for node in drawn["nodes"]}
    inner = [link["id"] for each in definitions(drawn).values() for link in each["links"]]
    assert len({link[0] for link in drawn["links"]} | {*inner}) == len(drawn["links"]) + len(inner)
    for link, source, output, target, slot, type_ in drawn["links"]:
        assert link in nodes[source]["outputs"][output]["links"]
        assert nodes[target]["inputs"][slot]["link"] == link
        assert nodes[source]["outputs"][output]["type"] == type_
        assert nodes[target]["inputs"][slot]["type"] in (type_, "*")
    for node in prompted(drawn):
        slots = [name for name, *_, options in declared_inputs(info, node["type"]) if not options.get("socketless")]
        assert [slot["name"] for slot in node["inputs"]] == slots
        assert [slot["type"] for slot in node["outputs"]] == info[node["type"]]["output"]


def test_no_wire_crosses_a_group_that_it_does_not_belong_to(drawn):
    """It runs above the groups that it passes by."""
    boxes = {box["id"]: box for box in drawn["nodes"]}
    points = {point["id"]: point for point in drawn["extra"].get("reroutes", [])}
    last = {end["id"]: end["parentId"] for end in drawn["extra"].get("linkExtensions", [])}
    frames = [group["bounding"] for group in drawn["groups"]]
    for number, origin, output, target, slot, _ in drawn["links"]:
        (x, y), (width, _) = boxes[origin]["pos"], boxes[origin]["size"]
        start, (x, y) = (x + width, y + 14 + 20 * output), boxes[target]["pos"]
        way, at = [(x, y + 14 + 20 * slot)], last.get(number)
        while at is not None:
            assert number in points[at]["linkIds"]
            way.insert(0, tuple(points[at]["pos"]))
            at = points[at].get("parentId")
        way.insert(0, start)
        homes = [
            frame for frame in frames if inside(boxes[origin]["pos"], frame) or inside(boxes[target]["pos"], frame)
        ]
        for before, after in itertools.pairwise(way):
            steps = [tuple(a + (b - a) * n / 100 for a, b in zip(before, after, strict=True)) for n in range(101)]
            assert not [f for f in frames if f not in homes and any(inside(point, f) for point in steps)], number


def inside(point, frame):
    left, top, width, height = frame
    return left <= point[0] <= left + width and top <= point[1] <= top + height


def test_layout_is_readable(drawn):
    """Titled groups hold the nodes, and nothing lies on anything."""

    def frame(node):
        (x, y), (width, height) = node["pos"], node["size"]
        return x, y - TITLE_BAR, x + width, y + height

    def overlap(a, b):
        return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]

    groups = {group["title"]: group["bounding"] for group in drawn["groups"]}
    assert len(groups) == len(drawn["groups"]) and all(title.strip() for title in groups)
    corners = [(x, y, x + width, y + height) for x, y, width, height in groups.values()]
    frames = [frame(node) for node in drawn["nodes"]]
    for boxes in (corners, frames):
        for index, box in enumerate(boxes):
            assert not any(overlap(box, other) for other in boxes[:index])
    for node, (left, top, right, bottom) in zip(drawn["nodes"], frames, strict=True):
        homes = [g for g in corners if g[0] <= left and g[1] <= top and right <= g[2] and bottom <= g[3]]
        assert len(homes) == 1, node["type"]
