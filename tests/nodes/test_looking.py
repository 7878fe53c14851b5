"""The nodes to look with, in the real host."""

import numpy as np
import pytest
from graphs import add, edit_line, refusal, saved_picture


@pytest.fixture
def line(composite_name, mask_name):
    graph = edit_line(composite_name, mask_name)
    del graph["edit"], graph["save"]
    links = {"model": ["model", 0], "clip": ["model", 1], "trajectory": ["invert", 0], "refined": ["refine", 0]}
    add(graph, "maps", "AttentionMaps", description=["describe", 0], levels=2, **links)
    return add(graph, "saved", "SaveImage", images=["maps", 0], filename_prefix="tests/maps")


def test_attention_maps_with_and_without_the_picture(server, line):
    alone = saved_picture(server, server.run(line), "saved")
    line["maps"]["inputs"] |= {"image": ["view", 0], "mask": ["view", 1]}
    beside = saved_picture(server, server.run(line), "saved")
    assert beside.shape[0] == alone.shape[0] and beside.shape[1] > alone.shape[1] + 300
    assert len(np.unique(alone.reshape(-1, 3), axis=0)) > 200  # a heat map's colors


def test_attention_maps_of_another_description_are_refused(server, line):
    add(line, "other", "TextDescribe", description="cat & (foreground) warm & (background) snowy winter cold")
    line["maps"]["inputs"]["description"] = ["other", 0]
    message = refusal(server, line)
    assert "AttentionMaps: `refined` was made from other words" in message and "describe node" in message


def test_attention_maps_of_the_whole_pictures_mask_are_refused(server, line):
    line["maps"]["inputs"] |= {"image": ["view", 0], "mask": ["mask", 0]}
    assert "AttentionMaps, input mask" in refusal(server, line)


def listed(graph, key, kind, values):
    """The host's own list of values, as a loop gives them."""
    for index, value in enumerate(values):
        add(graph, f"{key}{index}", kind, value=value)
    return add(graph, key, "CreateList", **{f"inputs.input{n}": [f"{key}{n}", 0] for n in range(len(values))})


@pytest.fixture
def loop_results(composite_name):
    graph = add({}, "load", "LoadImage", image=composite_name)
    add(graph, "other", "ImageInvert", image=["load", 0])
    add(graph, "passes", "ImageBatch", image1=["load", 0], image2=["other", 0])
    listed(graph, "scores", "PrimitiveFloat", [0.25, 0.75])
    listed(graph, "decisions", "PrimitiveString", ["start", "conclude"])
    listed(graph, "descriptions", "PrimitiveString", ["", "cat & (foreground) warm & (background) snowy cold"])
    add(graph, "chosen", "PrimitiveInt", value=1)
    names = ("passes", "scores", "decisions", "descriptions", "chosen")
    add(graph, "strip", "HarmonyFilmstrip", **{name: [name, 0] for name in names})
    return add(graph, "saved", "SaveImage", images=["strip", 0], filename_prefix="tests/strip")


def test_a_filmstrip_of_the_hosts_lists(server, loop_results):
    outputs = server.run(loop_results)
    assert len(outputs["saved"]["images"]) == 1  # one strip, not one a list entry
    assert saved_picture(server, outputs, "saved").shape[1] > 500


def test_a_filmstrip_of_unequal_lists_is_refused(server, loop_results):
    listed(loop_results, "scores", "PrimitiveFloat", [0.25, 0.75, 0.5])
    assert "HarmonyFilmstrip, input scores: got 3 entries for 2 `passes`" in refusal(server, loop_results)
