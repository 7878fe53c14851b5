"""The evaluator's nodes on the real server."""

import numpy as np
import pytest
import torch
from graphs import add, refusal
from PIL import Image

from diff_harmonization.evaluator.networks import ResNet50


@pytest.fixture(scope="module")
def models(server, server_base):
    """The server's folder of users' evaluators, with a reference checkpoint and a file of something else."""
    folder = server_base / "models" / "harmony_evaluator"
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    numbers = {"conv1": "inp_encoder", "bn1": "encoder.0", "fc": "classify_fc"}
    numbers |= {f"layer{n}": f"encoder.{n + 2}" for n in (1, 2, 3, 4)}
    state = {}
    for name, value in ResNet50().state_dict().items():
        part, _, rest = name.partition(".")
        state[f"{numbers[part]}.{rest}"] = value
    torch.save(state, folder / "bestModel.pth")
    torch.save({"weight": torch.zeros(3)}, folder / "other.pth")
    return folder


def graph(composite, mask, name="embedded"):
    graph = {}
    add(graph, "composite", "LoadImage", image=composite)
    add(graph, "mask", "LoadImageMask", image=mask, channel="red")
    add(graph, "load", "LoadHarmonyEvaluator", name=name)
    add(graph, "score", "HarmonyScore", evaluator=["load", 0], image=["composite", 0], mask=["mask", 0])
    add(graph, "first", "PreviewAny", source=["score", 0])
    return add(graph, "all", "PreviewAny", source=["score", 1])


def shown(outputs, node):
    return [float(text) for text in outputs[node]["text"]]


def test_the_score_is_an_output_and_stands_on_the_node(server, composite_name, mask_name):
    outputs = server.run(graph(composite_name, mask_name))
    (score,) = shown(outputs, "first")
    assert 0 < score < 1
    assert shown(outputs, "all") == [score]
    assert outputs["score"]["text"] == [f"{score:.3f}"]


def test_a_batch_is_scored_picture_by_picture(server, composite_name, mask_name):
    pair = graph(composite_name, mask_name)
    add(pair, "inverted", "ImageInvert", image=["composite", 0])
    add(pair, "batch", "ImageBatch", image1=["composite", 0], image2=["inverted", 0])
    pair["score"]["inputs"]["image"] = ["batch", 0]
    outputs = server.run(pair)
    (alone,) = shown(server.run(graph(composite_name, mask_name)), "first")
    scores = shown(outputs, "all")
    assert len(scores) == 2 and scores[0] != scores[1]
    assert shown(outputs, "first") == [scores[0]] == [alone]
    assert outputs["score"]["text"] == [", ".join(f"{score:.3f}" for score in scores)]


def test_a_checkpoint_of_the_authors_layout(server, models, composite_name, mask_name):
    assert server.object_info()["LoadHarmonyEvaluator"]["input"]["required"]["name"][1]["options"][0] == "embedded"
    (score,) = shown(server.run(graph(composite_name, mask_name, "bestModel.pth")), "first")
    assert 0 < score < 1


def test_a_file_of_something_else(server, models, composite_name, mask_name):
    message = refusal(server, graph(composite_name, mask_name, "other.pth"))
    assert message.startswith("LoadHarmonyEvaluator, input name: other.pth is not a harmony evaluator")
    assert "inp_encoder, encoder, classify_fc" in message and "\n" not in message.strip()


def test_a_mask_of_another_size(server, composite_name, tmp_path):
    Image.fromarray(np.full((50, 60, 3), 255, np.uint8)).save(tmp_path / "score_mask.png")
    message = refusal(server, graph(composite_name, server.upload(tmp_path / "score_mask.png")))
    assert message.startswith("HarmonyScore, input mask: got 60x50")
