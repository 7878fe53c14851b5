"""The routed workflow: who looks like the object, and the object in that look."""

import pytest
import torch
from graphs import add, saved_latent, saved_picture, shipped

from diff_harmonization.cli.client import WorkflowError


@pytest.fixture(scope="module")
def graph(composite_copy, mask_name):
    graph = shipped("harmonize_routed")
    graph["composite"]["inputs"]["image"], graph["mask"]["inputs"]["image"] = composite_copy(), mask_name
    for name, link in {"before": ["composite", 0], "after": ["apply", 0]}.items():
        add(graph, name, "ImageAsLatent", image=link)
        add(graph, f"{name}_bits", "SaveLatent", samples=[name, 0], filename_prefix=f"tests/{name}")
    return graph


def unjudged(graph, **inputs):
    """The graph without its judge, with other inputs of the harmonizing node: whatever is proposed is applied."""
    graph = with_inputs(graph, **inputs)
    del graph["apply"]["inputs"]["evaluator"]
    return graph


def with_inputs(graph, **inputs):
    """The graph with other inputs of the harmonizing node."""
    return {**graph, "apply": {**graph["apply"], "inputs": graph["apply"]["inputs"] | inputs}}


def test_the_object_alone_changes(server, graph, example):
    outputs = server.run(unjudged(graph))
    before, after = (saved_latent(server, outputs, f"{name}_bits") for name in ("before", "after"))
    moved = (after - before).abs().amax(-1) > 0
    assert before.shape == after.shape
    assert 0.02 < moved.float().mean() < 0.9
    result, side = (saved_picture(server, outputs, name) for name in ("save", "save_side"))
    assert result.shape == tuple(after.shape[1:]) and side.shape[1] > 1.9 * result.shape[1]
    assert saved_picture(server, outputs, "save_similar").shape == result.shape
    (cube,) = outputs["save_lut"]["cube"]
    assert cube["filename"].endswith(".cube")
    assert outputs["apply"]["text"] == ["strength 1"]


def test_the_judge_says_what_it_took(server, graph):
    (text,) = server.run(graph)["apply"]["text"]
    strength, scores = text.split("; scores by how much of the change is made: ")
    assert strength in {f"strength {share:g}" for share in (0, 0.25, 0.5, 0.75, 1)}
    assert scores.count("%") == 5


def test_a_strength_of_nothing_is_the_composite(server, graph):
    outputs = server.run(with_inputs(graph, strength=0.0))
    before, after = (saved_latent(server, outputs, f"{name}_bits") for name in ("before", "after"))
    assert torch.equal(before, after)


def test_a_mask_of_another_size_is_refused(server, graph):
    graph = add(with_inputs(graph, mask=["other", 0]), "other", "SolidMask", value=1.0, width=64, height=64)
    with pytest.raises(WorkflowError, match="RoutedHarmonize, input mask: got 64x64"):
        server.run(graph)
