"""Attention maps in the real host."""

import numpy as np
import pytest
from graphs import add, edit_graph, refusal, saved_picture


@pytest.fixture
def line(composite_name, mask_name):
    graph = edit_graph(composite_name, mask_name)
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
    assert "AttentionMaps, input refined: it was made from other words" in message
    assert "Use the description that was refined" in message


def test_attention_maps_of_the_whole_pictures_mask_are_refused(server, line):
    line["maps"]["inputs"] |= {"image": ["view", 0], "mask": ["mask", 0]}
    assert "AttentionMaps, input mask" in refusal(server, line)
