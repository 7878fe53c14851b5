"""Models that go and memory that runs out, on the real host: between stages, and in the middle of one."""

import pytest
import torch
from graphs import (
    add,
    diffharmony_graph,
    edit_graph,
    keep_bits,
    null_text_graph,
    one_box_graph,
    refusal,
    saved_latent,
    saved_picture,
    troubled,
)

ROOMS = {"models": {"unload_models": True}, "models and results": {"unload_models": True, "free_memory": True}}


@pytest.fixture(scope="module")
def whole(server, composite_copy, mask_name):
    """The latent after all stages, on a server that keeps its models."""
    return saved_latent(server, server.run(null_text_graph(composite_copy(), mask_name)))


@pytest.mark.parametrize("room", ROOMS)
def test_models_unloaded_between_prompts_that_go_on(server, whole, composite_copy, mask_name, room):
    """Each prompt ends one stage further; before it the host is asked to free what it holds."""
    graph = null_text_graph(composite_copy(), mask_name)
    for stage, output in (("invert", 1), ("refine", 1), ("null", 1)):
        part = dict(graph)
        del part["save"]
        server.run(add(part, "shown", "PreviewAny", source=[stage, output if stage == "refine" else 0]))
        server.post("/free", json=ROOMS[room])
    assert torch.equal(saved_latent(server, server.run(graph)), whole)


def test_models_unloaded_between_the_stages_of_one_prompt(server, whole, composite_copy, mask_name):
    graph = null_text_graph(composite_copy(), mask_name)
    for stage in ("encode", "invert", "refine", "null"):
        add(graph, f"unload_{stage}", "ScriptedUnload", value=[stage, 0])
        for key, node in graph.items():
            if key != f"unload_{stage}":
                inputs = node["inputs"].items()
                node["inputs"] = {name: [f"unload_{stage}", 0] if link == [stage, 0] else link for name, link in inputs}
    assert torch.equal(saved_latent(server, server.run(graph)), whole)


def test_the_loop_and_diffharmony_after_their_models_were_unloaded(server, composite_copy, mask_name):
    for make in (one_box_graph, diffharmony_graph):
        first, again = composite_copy(), composite_copy()
        before = server.run(keep_bits(make(first, mask_name), apply=["apply", 0]))
        server.free()
        after = server.run(keep_bits(make(again, mask_name), apply=["apply", 0]))
        assert torch.equal(*(saved_latent(server, outputs, "apply_bits") for outputs in (before, after)))


# Out of memory

# A graph that runs the stage, the node of it, and a call of the network during it.
STAGES = {
    "inversion": (edit_graph, "invert", "DDIMInvert", 2),
    "refinement": (edit_graph, "refine", "RefineEmbedding", 6),
    "null-text": (null_text_graph, "null", "EdgeNullTextOptimize", 6),
    "edit": (lambda *pictures: edit_graph(*pictures, per_timestep=0), "edit", "AttentionControlledEdit", 6),
    "loop in one box": (one_box_graph, "apply", "Harmonize, pass 1", 1),
    "DiffHarmony": (diffharmony_graph, "apply", "DiffHarmonize", 2),
}


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("way", ["device", "main"])
def test_too_little_memory_is_one_sentence_and_the_next_run_works(server, composite_copy, mask_name, stage, way):
    make, node, named, call = STAGES[stage]
    graph = troubled(make(composite_copy(), mask_name), way, call)
    message = refusal(server, graph)
    assert message.startswith(f"{named}: the memory ran out. Choose a smaller size"), message
    assert "allocate" not in message and "Allocation" not in message
    # The network fails once: the same prompt goes on from the stage that failed.
    again, plain = server.run(graph), server.run(make(composite_copy(), mask_name))
    if node == "apply":
        assert (saved_picture(server, again, "save") == saved_picture(server, plain, "save")).all()
    else:
        assert torch.equal(saved_latent(server, again), saved_latent(server, plain))
