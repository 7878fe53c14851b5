"""Another of a loop's pictures, taken without running the loop again."""

import pytest
import torch
from graphs import DESCRIPTION, add, refusal, saved_latent

PASS = {"size": 64, "steps": 2, "strength": 1.0, "amount": 1.0, "steps_per_timestep": 0, "view_size": 64}
TWO = {"k": 1, "max_passes": 2, "new_descriptions": "best other trial"}


def save_bits(graph, node):
    """In full precision: a script's tint is less than a step of 8 bits."""
    add(graph, "bits", "ImageAsLatent", image=[node, 0])
    add(graph, "save", "SaveLatent", samples=["bits", 0], filename_prefix="tests/take")


@pytest.fixture(scope="module")
def one_box(composite_copy, mask_name):
    graph = add({}, "composite", "LoadImage", image=composite_copy())
    add(graph, "mask", "LoadImageMask", image=mask_name, channel="red")
    add(graph, "model", "LoadMiniHarmonyModel")
    add(graph, "evaluator", "LoadHarmonyEvaluator", name="embedded")
    add(graph, "describe", "TextDescribe", description=DESCRIPTION)
    links = {"model": ["model", 0], "clip": ["model", 1], "vae": ["model", 2], "evaluator": ["evaluator", 0]}
    links |= {"image": ["composite", 0], "mask": ["mask", 0], "descriptions": ["describe", 2]}
    add(graph, "apply", "Harmonize", **links | PASS | TWO)
    save_bits(graph, "apply")
    return add(graph, "number", "PreviewAny", source=["apply", 6])


@pytest.fixture(scope="module")
def loop(composite_copy, mask_name):
    """The loop as a graph, with a body of scripts."""
    graph = add({}, "composite", "LoadImage", image=composite_copy())
    add(graph, "mask", "LoadImageMask", image=mask_name, channel="red")
    add(graph, "loop", "IterateLoop", image=["composite", 0], mask=["mask", 0], seed=0)
    add(graph, "tint", "ScriptedTint", image=["loop", 1], mask=["loop", 2], seed=["loop", 3])
    add(graph, "score", "ScriptedScore", image=["tint", 0], pass_index=["loop", 4], script="0.3 0.4 0.5 0.2")
    links = {"flow": ["loop", 0], "image": ["tint", 0], "score": ["score", 0]}
    add(graph, "end", "IterateLoopEnd", **links, first_score=0.3, k=1, max_passes=3, new_descriptions="next seed")
    save_bits(graph, "end")
    return add(graph, "number", "PreviewAny", source=["end", 5])


@pytest.mark.parametrize("kind", ["one_box", "loop"])
def test_another_picture_is_taken_without_a_new_run(server, server_log, request, kind):
    graph, key = request.getfixturevalue(kind), "apply" if kind == "one_box" else "end"
    first = server.run(graph)
    (shown,) = (each for each in first.values() if "passes" in each)  # of a loop's end, under the id of its last pass
    offered, chosen = shown["passes"], shown["chosen"][0]
    assert [each["name"] for each in offered[:2]] == ["composite", "pass 1"]
    assert all(each["image"]["type"] == "temp" and 0 <= each["score"] <= 1 for each in offered)
    assert shown["taken"] == [chosen] == [int(first["number"]["text"][0])]
    results = {}
    before = server_log.read_text(errors="replace").count(" scores ")
    for state in [*range(len(offered)), -1]:
        graph[key]["inputs"]["take"] = state
        outputs = server.run(graph)
        results[state] = saved_latent(server, outputs)
        assert int(outputs["number"]["text"][0]) == (chosen if state < 0 else state)
    assert server_log.read_text(errors="replace").count(" scores ") == before, "a pass ran again"
    assert torch.equal(results[-1], results[chosen])
    assert not torch.equal(results[0], results[1])


def test_a_picture_that_there_is_not(server, one_box):
    one_box["apply"]["inputs"]["take"] = 7
    message = refusal(server, one_box)
    assert "Harmonize, input take: got 7, and the loop has the pictures 0 (the composite) to" in message


def test_other_words_run_the_loop_again(server, server_log, one_box):
    one_box["apply"]["inputs"]["take"] = 1
    one_box["describe"]["inputs"]["description"] = DESCRIPTION.replace("warm", "golden")
    before = server_log.read_text(errors="replace").count(" scores ")
    server.run(one_box)
    assert server_log.read_text(errors="replace").count(" scores ") == before + 2


def test_another_body_runs_the_loop_again(server, server_log, loop):
    loop["score"]["inputs"]["script"] = "0.3 0.4 0.6 0.2"
    before = server_log.read_text(errors="replace").count(" scores ")
    server.run(loop)
    assert server_log.read_text(errors="replace").count(" scores ") > before
