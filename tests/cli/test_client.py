"""The client against a real server."""

import numpy as np
import pytest
from PIL import Image

from diff_harmonization.cli.client import WorkflowError
from diff_harmonization.cli.demo import fetch, with_inputs
from diff_harmonization.cli.server import HostServer, device_options


@pytest.fixture
def ready(server, pictures, inverting):
    composite, mask = pictures
    return with_inputs(inverting, server.upload(composite), server.upload(mask, "client_mask.png"))


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def test_outputs_come_back_as_files(server, ready, pictures, tmp_path):
    saved = fetch(server, server.run(ready), tmp_path)
    assert sorted(saved) == ["edit.png", "result.png"]
    before, after = pixels(pictures[0]), pixels(tmp_path / "result.png")
    inside = pixels(pictures[1])[..., 0] > 0
    assert (after[~inside] == before[~inside]).all()
    assert abs(after[inside] - (255 - before[inside])).max() <= 1


def test_files_of_one_batch_are_numbered(server, ready, tmp_path):
    ready["9"] = {"class_type": "RepeatImageBatch", "inputs": {"image": ["4", 0], "amount": 3}}
    ready["7"]["inputs"] = {"images": ["9", 0], "filename_prefix": "demo/batch"}
    saved = fetch(server, server.run(ready), tmp_path)
    assert sorted(saved) == ["batch_0.png", "batch_1.png", "batch_2.png", "result.png"]
    assert {path.name for path in tmp_path.iterdir()} >= set(saved)


def test_messages_tell_the_progress(server, ready):
    ready["4"]["inputs"]["image"] = ["9", 0]
    ready["9"] = {
        "class_type": "ImageScaleBy",
        "inputs": {"image": ["1", 0], "upscale_method": "area", "scale_by": 1.0},
    }
    heard = []
    server.run(ready, on_message=lambda kind, data: heard.append(kind))
    assert {"executing", "progress_state"} <= set(heard)
    assert heard[-1] == "execution_success"


def test_a_server_that_dies_is_a_lost_connection(host_path, new_base):
    base = new_base()
    image = {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 0}}
    workflow = {"1": image, "2": {"class_type": "ScriptedEnd", "inputs": {"image": ["1", 0]}}}
    with HostServer(host_path, base, base / "server.log", *device_options()) as client:
        with pytest.raises(ConnectionError, match="Lost the ComfyUI server while the workflow ran"):
            client.run(workflow, on_message=lambda kind, data: None)
        with pytest.raises(OSError):
            client.system_stats()


def test_an_error_that_the_server_answers_with_is_told(server):
    with pytest.raises(OSError, match="answered 404 Not Found to http://127.0.0.1:.*/no_such_page"):
        server.get_json("/no_such_page")


def test_a_refused_workflow_names_node_and_input(server, ready):
    del ready["4"]["inputs"]["image"]
    with pytest.raises(WorkflowError, match=r"ImageInvert \(node 4\): .*image"):
        server.run(ready)


def test_a_half_refused_workflow_is_refused(server, ready):
    """The host would run the sound outputs and answer 200."""
    ready["7"]["inputs"]["images"] = ["2", 0]
    with pytest.raises(WorkflowError, match=r"SaveImage \(node 7\)"):
        server.run(ready)


def test_a_failing_node_is_named_with_its_error(server, ready):
    ready["10"] = {"class_type": "TextDescribe", "inputs": {"description": "no such form"}}
    ready["11"] = {"class_type": "PreviewAny", "inputs": {"source": ["10", 1]}}
    with pytest.raises(WorkflowError, match=r"TextDescribe \(node 10\) failed: ValueError"):
        server.run(ready)
