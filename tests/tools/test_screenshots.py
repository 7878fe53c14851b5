"""Every node has its picture, taken in a graph that the server knows. People look at the pictures themselves."""

import httpx
import pytest
from PIL import Image

from diff_harmonization.tools.screenshots import docs, help
from diff_harmonization.tools.screenshots.scenes import NOT_RUN, SCENES

SCENE = pytest.mark.parametrize("scene", [*SCENES, *NOT_RUN])


@pytest.fixture(scope="module")
def info(server):
    return server.object_info()


@pytest.fixture(scope="module")
def ours(info):
    return {name for name, said in info.items() if said["python_module"] == help.OWN}


def is_link(value):
    return isinstance(value, list)


def test_every_node_stands_in_a_scene(ours):
    assert ours <= {node["class_type"] for scene in (*SCENES, *NOT_RUN) for node in scene().values()}


@SCENE
def test_a_scenes_links_fit(scene, info):
    graph = scene()
    for node in graph.values():
        for value in filter(is_link, node["inputs"].values()):
            source, output = value
            assert output < len(info[graph[source]["class_type"]]["output"]), (node, value)


@SCENE
def test_a_scenes_inputs_are_the_nodes(scene, info):
    for node in help.complete(scene(), info).values():
        declared = info[node["class_type"]]["input"]
        known = set(declared.get("required", {})) | set(declared.get("optional", {}))
        assert {name.split(".")[0] for name in node["inputs"]} <= known, node


def test_defaults_are_written_into_the_graph(info):
    graph = help.complete({"view": {"class_type": "WorkingView", "inputs": {"size": 256}}}, info)
    assert graph["view"]["inputs"] == {"size": 256, "mode": "crop"}


def test_every_node_has_a_picture_and_no_other_is_left(server, ours):
    assert {path.stem for path in help.FOLDER.iterdir()} == ours
    for node in ours:
        reply = httpx.get(f"{server.url}/extensions/diff_harmonization/docs/pictures/{node}.jpg", trust_env=False)
        assert reply.headers["content-type"] == "image/jpeg"
        with Image.open(help.FOLDER / f"{node}.jpg") as picture:
            assert picture.width >= 300 and picture.height >= 100, node


def test_the_docs_have_their_pictures():
    page = (docs.ROOT / "docs" / "on_the_canvas.md").read_text(encoding="utf-8")
    for show in docs.SCREENS:
        assert f"(screens/{show.__name__}.jpg)" in page
        assert (docs.FOLDER / f"{show.__name__}.jpg").is_file()
