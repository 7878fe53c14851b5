"""Harmonize Sequence on the real server."""

import pytest
from graphs import add, refusal, saved_picture


@pytest.fixture
def graph(composite_name, mask_name):
    """The composite and its mirror image as a clip of two frames, each shown twice, with their masks."""
    graph = {}
    add(graph, "composite", "LoadImage", image=composite_name)
    add(graph, "mask", "LoadImageMask", image=mask_name, channel="red")
    add(graph, "load", "LoadRoutedHarmonizer", name="embedded")
    add(graph, "frames", "RepeatImageBatch", image=["composite", 0], amount=3)
    links = {"harmonizer": ["load", 0], "image": ["frames", 0], "mask": ["mask", 0]}
    add(graph, "harmonize", "HarmonizeSequence", **links, strength=1.0, interval=12)
    add(graph, "save", "SaveImage", images=["harmonize", 0], filename_prefix="tests/sequence")
    return add(graph, "cube", "SaveColorLUT", lut=["harmonize", 1], filename_prefix="tests/sequence")


def test_frames_and_luts_come_out(server, graph, example):
    outputs = server.run(graph)
    assert outputs["harmonize"]["text"] == ["from frame 0: 2 key frames, strength 1"]
    assert len(outputs["cube"]["cube"]) == 2
    frames = [saved_picture(server, outputs, "save", index) for index in range(3)]
    assert (frames[0] == frames[1]).all() and (frames[0] == frames[2]).all()  # a still has one look
    add(graph, "alone", "RoutedHarmonize", harmonizer=["load", 0], image=["composite", 0], mask=["mask", 0])
    graph["alone"]["inputs"] |= {"strength": 1.0, "local": False}
    add(graph, "save_alone", "SaveImage", images=["alone", 0], filename_prefix="tests/alone")
    alone = saved_picture(server, server.run(graph), "save_alone")
    assert abs(frames[0].astype(int) - alone).max() <= 1  # and it is that of the picture alone


def test_an_evaluator_chooses_the_strength(server, graph):
    add(graph, "judge", "LoadHarmonyEvaluator", name="embedded")
    graph["harmonize"]["inputs"]["evaluator"] = ["judge", 0]
    outputs = server.run(graph)
    (text,) = outputs["harmonize"]["text"]
    assert "; scores 0." in text and outputs["cube"]["cube"]  # also where it chooses to change nothing


def test_a_mask_of_another_size_is_refused(server, graph):
    add(graph, "wrong", "SolidMask", value=1.0, width=60, height=50)
    graph["harmonize"]["inputs"]["mask"] = ["wrong", 0]
    assert refusal(server, graph).startswith("HarmonizeSequence, input mask: got 1 of 60x50")
