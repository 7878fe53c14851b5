"""The filmstrip in the real host."""

import pytest
import torch
from graphs import add, saved_picture

from diff_harmonization.nodes.filmstrip import HarmonyFilmstrip, caption


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
    listed(graph, "reasons", "PrimitiveString", ["", "taken: beats the composite by 0.500"])
    names = ("passes", "scores", "decisions", "descriptions", "chosen", "reasons")
    add(graph, "strip", "HarmonyFilmstrip", **{name: [name, 0] for name in names})
    return add(graph, "saved", "SaveImage", images=["strip", 0], filename_prefix="tests/strip")


def test_a_filmstrip_of_the_hosts_lists(server, loop_results):
    outputs = server.run(loop_results)
    assert len(outputs["saved"]["images"]) == 1  # one strip, not one a list entry
    assert saved_picture(server, outputs, "saved").shape[1] > 500


def test_a_filmstrip_of_unequal_lists_is_refused():
    lists = {"scores": [0.25, 0.75, 0.5], "decisions": ["start", "conclude"], "descriptions": ["", ""], "chosen": [1]}
    with pytest.raises(ValueError, match="^HarmonyFilmstrip, input scores: got 3 entries for 2 `passes`"):
        HarmonyFilmstrip.execute([torch.rand(2, 16, 16, 3)], **lists)


def test_a_caption_is_the_parts_of_a_description_or_the_text_itself():
    assert caption("cat & (foreground) warm dim & (background) cold") == ("cat", "from warm dim", "to cold")
    assert caption("") == ("",)
    assert caption("my own words") == ("my own words",)
