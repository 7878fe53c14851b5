"""The loop around a cheap body on the real server, with scripted scores."""

import re
from collections import Counter
from pathlib import Path

import pytest
import torch
from graphs import add, refusal, saved_latent, saved_picture

from diff_harmonization.cli.client import WorkflowError

LINES = ("cat & (foreground) warm & (background) cold", "cat & (foreground) hot & (background) icy")
LINES += ("cat & (foreground) bright & (background) dull",)
TRIALS = "0.3 0.4 0.5 0.2"
SLOTS = {"scores": 2, "descriptions": 3, "decisions": 4, "chosen": 5, "reasons": 6}


def scripted_loop(composite, mask, script, **limits):
    """IterateLoop -> pick a description, tint by its seed, preview, score by the script -> IterateLoopEnd."""
    graph = {}
    add(graph, "composite", "LoadImage", image=composite)
    add(graph, "mask", "LoadImageMask", image=mask, channel="red")
    add(graph, "view", "WorkingView", image=["composite", 0], mask=["mask", 0], size=64, mode="crop")
    add(graph, "loop", "IterateLoop", image=["view", 0], mask=["view", 1], seed=0)
    for index, line in enumerate(LINES):
        add(graph, f"line{index}", "TextDescribe", description=line)
    choices = {f"choice{index}": [f"line{index}", 0] for index in range(3)}
    add(graph, "describe", "ScriptedPick", seed=["loop", 3], **choices)
    add(graph, "flip", "ImageFlip", image=["loop", 1], flip_method="y-axis: horizontally")  # what trials share
    add(graph, "back", "ImageFlip", image=["flip", 0], flip_method="y-axis: horizontally")
    add(graph, "tint", "ScriptedTint", image=["back", 0], mask=["loop", 2], seed=["loop", 3])
    add(graph, "preview", "PreviewImage", images=["tint", 0])
    add(graph, "score", "ScriptedScore", image=["tint", 0], pass_index=["loop", 4], script=script)
    add(graph, "first", "ScriptedScore", image=["view", 0], pass_index=0, script=script)
    carried = {"image": ["tint", 0], "score": ["score", 0], "description": ["describe", 0]}
    limits = {"k": 3, "max_passes": 10, "new_descriptions": "best other trial"} | limits
    add(graph, "end", "IterateLoopEnd", flow=["loop", 0], first_score=["first", 0], **carried, **limits)
    for name, slot in SLOTS.items():
        add(graph, name, "PreviewAny", source=["end", slot])
    for name, slot in (("best", 0), ("passes", 1)):
        add(graph, f"{name}_bits", "ImageAsLatent", image=["end", slot])
        add(graph, name, "SaveLatent", samples=[f"{name}_bits", 0], filename_prefix=f"tests/{name}")
    return graph


def run(server, graph, executed=None):
    """The loop's lists, its pictures, and all outputs; `executed` counts the nodes that ran, by display id."""

    def hear(kind, data):
        if kind == "executing" and data["node"] is not None and executed is not None:
            executed[data["display_node"]] += 1

    outputs = server.run(graph, on_message=hear)
    lists = {name: outputs[name]["text"] for name in SLOTS}
    return lists, {name: saved_latent(server, outputs, name) for name in ("best", "passes")}, outputs


@pytest.fixture
def loop(server, composite_copy, mask_name):
    """Runs a script anew."""
    return lambda script, **limits: run(server, scripted_loop(composite_copy(), mask_name, script, **limits))


def test_a_whole_loop_on_a_real_graph(loop):
    """Trials, two decreases, a regeneration that succeeds, the limit; tests/loop holds every other branch."""
    script = f"{TRIALS} 0.45 0.4 0.45 0.6 0.5"
    lists, pictures, _ = loop(script, max_passes=8)
    decisions = "start trial trial continue continue regenerate continue continue conclude"
    assert lists["decisions"] == decisions.split()
    assert [float(score) for score in lists["scores"]] == [float(score) for score in script.split()]
    assert int(lists["chosen"][0]) == 7
    assert torch.equal(pictures["best"][0], pictures["passes"][7])
    assert pictures["passes"].shape == (9, 64, 64, 3)


def added(pictures):
    """How often the tint of seed 0 was added to the composite, per state."""
    difference = pictures["passes"] - pictures["passes"][:1]
    return (difference.amax((1, 2, 3)) / 0.001).round().int().tolist()


def test_each_pass_starts_where_it_was_decided(loop):
    """Tints of 1, 2 and 3 tell the trials; state 2 is kept, gone back to, and tinted by the next best trial's seed."""
    lists, pictures, _ = loop(f"{TRIALS} 0.45 0.4 0.45 0.44")
    assert added(pictures) == [0, 1, 2, 3, 2 + 2, 2 + 2 + 2, 2 + 1, 2 + 1 + 1]
    assert lists["descriptions"] == ["", *LINES, LINES[1], LINES[1], LINES[0], LINES[0]]


def test_next_seeds_follow_the_trials(loop):
    lists, pictures, _ = loop(f"{TRIALS} 0.45 0.4 0.6", new_descriptions="next seed", max_passes=6)
    assert added(pictures)[-1] == 2 + 4
    assert lists["descriptions"][-1] == LINES[0]


def test_the_carried_picture_is_never_rounded(loop):
    """Eight passes later every pixel is the sum of its tints in float32, and what no pass changed has kept its bits."""
    _, pictures, _ = loop("0.1 0.2 0.3 0.4 0.5 0.6 0.7 0.8 0.9", k=1, max_passes=8)
    first, *_, last = pictures["passes"]
    changed = (last - first)[..., 0] != 0
    assert 0.05 < changed.float().mean() < 0.9
    assert torch.equal(last[~changed], first[~changed])
    inside = (pictures["passes"][1] - first).amax(-1) > 0.0009999
    assert inside.float().mean() > 0.05
    torch.testing.assert_close((last - first)[inside], torch.full_like(last[inside], 0.008), rtol=0, atol=1e-6)


def test_previews_in_the_body_show_every_pass(server, composite_copy, mask_name):
    """The host alone would run an output node that hangs off the body once."""
    executed = Counter()
    _, pictures, outputs = run(
        server, scripted_loop(composite_copy(), mask_name, f"{TRIALS} 0.6", max_passes=4), executed
    )
    assert executed["preview"] == executed["tint"] == executed["score"] == 4
    shown = [saved_picture(server, outputs, key) for key in outputs if re.search(r"preview$", key)]
    assert len(shown) == 4
    for picture, made in zip(shown, pictures["passes"][1:], strict=True):
        assert abs(picture - 255 * made.numpy()).max() <= 1.001


def test_what_passes_have_in_common_runs_once(server, composite_copy, mask_name):
    """Trials share what depends on the picture alone, and passes with one seed their description."""
    executed = Counter()
    run(server, scripted_loop(composite_copy(), mask_name, f"{TRIALS} 0.45 0.4 0.45 0.44"), executed)
    assert executed["tint"] == 7
    assert executed["flip"] == 1 + 3  # the composite's, then of states 2, 4 and 6; state 2 served two passes
    assert executed["describe"] == 3


def test_ids_stay_short(server, composite_copy, mask_name):
    script = " ".join(str(0.01 * index) for index in range(41))
    _, _, outputs = run(server, scripted_loop(composite_copy(), mask_name, script, k=1, max_passes=40))
    assert max(map(len, outputs)) == len("end.40.preview")


def test_the_node_shows_every_pass_and_what_was_decided(server, composite_copy, mask_name):
    previews = []

    def hear(kind, data):
        if kind == "executed" and data["display_node"] == "end":
            previews.append(data["output"])

    server.run(scripted_loop(composite_copy(), mask_name, f"{TRIALS} 0.6", max_passes=4), on_message=hear)
    *passes, end = previews
    assert [len(output["images"]) for output in passes] == [1, 1, 1]
    assert [state["name"] for state in end["passes"]] == ["composite", *(f"pass {number}" for number in range(1, 5))]
    files = [file for output in passes for file in output["images"]] + [state["image"] for state in end["passes"]]
    assert {file["type"] for file in files} == {"temp"}
    lines = previews[-1]["text"][0].splitlines()
    assert lines[0].startswith("composite: 0.3000") and lines[0].endswith("start")
    assert lines[3] == f"pass 3: 0.2000  {LINES[2]}  -> continue from pass 2; refused: does not beat pass 2"
    assert lines[4].endswith("conclude: pass 4 is the result; taken: beats pass 2 by 0.100")


def finished_passes(log: Path, start: int) -> list[Path]:
    """Files that the log names from `start` on."""
    text = log.read_text(errors="replace")[start:]
    return [Path(name) for name in re.findall(r"pass \d+ scores .*, saved as (.*)$", text, re.M)]


@pytest.mark.parametrize("failing", [1, 2, 4, 6])
def test_an_exception_leaves_the_finished_passes(server, server_log, composite_copy, mask_name, failing):
    words = f"{TRIALS} 0.6 0.7 0.8".split()
    words[failing] = "fail"
    start = len(server_log.read_text(errors="replace"))
    message = refusal(server, scripted_loop(composite_copy(), mask_name, " ".join(words), max_passes=6))
    assert f"fails pass {failing}" in message
    files = finished_passes(server_log, start)
    assert len(files) == failing - 1
    assert all(file.is_file() and "temp" in file.parts for file in files)


def test_finished_passes_serve_a_larger_limit(server, composite_copy, mask_name):
    """Under the default cache, which drops what the running graph has not asked for yet."""
    composite, script = composite_copy(), f"{TRIALS} 0.6 0.7 0.8"
    counts = []
    for limit in (4, 6):
        executed = Counter()
        lists, *_ = run(server, scripted_loop(composite, mask_name, script, max_passes=limit), executed)
        counts.append(executed["tint"])
        assert len(lists["scores"]) == limit + 1
    assert counts[0] == 4
    print(f"default cache: {6 - counts[1]} of 4 finished passes were reused")  # noqa: T201
    assert counts[1] < 6


def with_proposals(graph, **inputs):
    """The view tinted as by a weak and by a strong box, as proposals; only this harmony evaluator judges them."""
    for name, seed in (("weak", 9), ("strong", 19)):
        add(graph, f"{name}_seed", "PrimitiveInt", value=seed)
        add(graph, name, "ScriptedTint", image=["view", 0], mask=["view", 1], seed=[f"{name}_seed", 0])
    add(graph, "both", "ImageBatch", image1=["weak", 0], image2=["strong", 0])
    add(graph, "evaluator", "LoadHarmonyEvaluator", name="embedded")
    graph["end"]["inputs"] |= {"proposals": ["both", 0], "evaluator": ["evaluator", 0]} | inputs
    return graph


def test_any_boxs_pictures_may_join_the_loop(server, composite_copy, mask_name):
    """Passes score nothing, so the loop continues from a proposal, with the words of the first of equal trials."""
    graph = with_proposals(scripted_loop(composite_copy(), mask_name, "0 0 0 0 0 0", max_passes=5))
    lists, pictures, _ = run(server, graph)
    assert lists["decisions"] == ["propose", "propose", "start", "trial", "trial", "continue", "continue", "conclude"]
    scores = [float(score) for score in lists["scores"]]
    assert min(scores[1:3]) > 0 and scores[3:] == [0] * 5
    kept = 1 if scores[1] >= scores[2] else 2
    tints = [0, 10, 20, 1, 2, 3]
    assert added(pictures) == [*tints, tints[kept] + 1, tints[kept] + 2]
    assert int(lists["chosen"][0]) in (1, 2)
    assert lists["descriptions"] == ["", "", "", *LINES, LINES[0], LINES[0]]


def test_the_margin_keeps_the_earlier_picture(loop):
    lists, pictures, _ = loop("0.3 0.31 0.33 0.2", max_passes=3, margin=0.02)
    assert lists["chosen"] == ["2"]
    assert lists["reasons"][1] == "refused: does not beat the composite by more than 0.02"
    assert loop("0.3 0.31 0.33 0.2", max_passes=3, margin=0.05)[0]["chosen"] == ["0"]


def test_an_implausible_pass_is_not_taken(server, composite_copy, mask_name):
    """Each pass gives the negative of its picture."""
    for plausible, chosen in ((True, "0"), (False, "1")):
        graph = scripted_loop(composite_copy(), mask_name, "0.3 0.9", k=1, max_passes=1, plausible=plausible)
        add(graph, "negative", "ImageInvert", image=["tint", 0])
        graph["end"]["inputs"]["image"] = ["negative", 0]
        lists, _, outputs = run(server, graph)
        assert lists["chosen"] == [chosen]
        assert ("The composite is returned unchanged." in outputs["end"]["text"][0]) == plausible


def test_proposals_of_another_size_are_refused(server, composite_copy, mask_name):
    graph = with_proposals(scripted_loop(composite_copy(), mask_name, TRIALS), proposals=["composite", 0])
    message = refusal(server, graph)
    assert "IterateLoopEnd, input proposals: proposal 1 is" in message and "expected 64x64" in message


def test_proposals_want_an_evaluator(server, composite_copy, mask_name):
    graph = with_proposals(scripted_loop(composite_copy(), mask_name, TRIALS))
    del graph["end"]["inputs"]["evaluator"]
    assert "IterateLoopEnd, input evaluator: it is not connected, but proposals are" in refusal(server, graph)


def test_a_batch_is_refused(server, composite_copy, mask_name):
    graph = scripted_loop(composite_copy(), mask_name, TRIALS)
    add(graph, "two", "RepeatImageBatch", image=["view", 0], amount=2)
    graph["loop"]["inputs"]["image"] = ["two", 0]
    message = refusal(server, graph)
    assert "IterateLoop, input image" in message and "batch of 2" in message


@pytest.mark.parametrize(("node", "source"), [("loop", "view"), ("end", "tint")])
def test_lists_are_refused(server, composite_copy, mask_name, node, source):
    graph = scripted_loop(composite_copy(), mask_name, TRIALS)
    add(graph, "two", "ScriptedList", image=[source, 0])
    graph[node]["inputs"]["image"] = ["two", 0]
    assert "list" in refusal(server, graph)


def test_a_picture_of_another_size_is_refused(server, composite_copy, mask_name):
    graph = scripted_loop(composite_copy(), mask_name, TRIALS)
    add(graph, "small", "ImageScale", image=["tint", 0], upscale_method="area", width=32, height=48, crop="disabled")
    graph["end"]["inputs"]["image"] = ["small", 0]
    message = refusal(server, graph)
    assert "IterateLoopEnd, input image" in message and "32x48" in message and "64x64" in message


def test_a_body_that_does_not_use_the_loop_is_refused(server, composite_copy, mask_name):
    graph = scripted_loop(composite_copy(), mask_name, TRIALS)
    graph["end"]["inputs"]["image"] = ["view", 0]
    assert "does not depend on the loop" in refusal(server, graph)


def test_a_repeated_trial_is_told(server, server_log, composite_copy, mask_name):
    graph = scripted_loop(composite_copy(), mask_name, TRIALS)
    graph["end"]["inputs"] |= {"description": ["line0", 0], "max_passes": 2}
    server.run(graph)
    assert "Trial 2 has the description of trial 1" in server_log.read_text(errors="replace")


def test_bad_scores_end_the_run_with_a_reason(server, composite_copy, mask_name):
    message = refusal(server, scripted_loop(composite_copy(), mask_name, "0.3 nan"))
    assert "state 1 has nan" in message


def test_a_loop_may_hold_a_loop(server, composite_copy, mask_name):
    """The inner loop tints three times from the outer picture; so does each outer pass, with inner previews shown."""
    graph = scripted_loop(composite_copy(), mask_name, "0.1 0.2 0.3 0.4", k=1, max_passes=3)
    add(graph, "inner", "IterateLoop", image=["back", 0], mask=["loop", 2], seed=0)
    add(graph, "inner_tint", "ScriptedTint", image=["inner", 1], mask=["inner", 2], seed=["inner", 3])
    add(graph, "inner_preview", "PreviewImage", images=["inner_tint", 0])
    links = {"image": ["inner_tint", 0], "pass_index": ["inner", 4]}
    add(graph, "inner_score", "ScriptedScore", **links, script="0.1 0.2 0.3 0.4")
    limits = {"k": 1, "max_passes": 3, "new_descriptions": "best other trial", "first_score": ["first", 0]}
    add(graph, "inner_end", "IterateLoopEnd", flow=["inner", 0], image=["inner_tint", 0], **limits)
    graph["inner_end"]["inputs"]["score"] = ["inner_score", 0]
    graph["tint"]["inputs"]["image"] = ["inner_end", 0]
    executed = Counter()
    lists, pictures, _ = run(server, graph, executed)
    assert added(pictures) == [0, 4, 8, 12]
    assert lists["chosen"] == ["3"]
    assert executed["inner_tint"] == executed["inner_preview"] == 9
    assert executed["preview"] == 3


def test_a_node_may_expand_to_a_loop(server, composite_copy, mask_name):
    """Two tints a pass, whose copies would share their shown name."""
    graph = scripted_loop(composite_copy(), mask_name, "0.1 0.2 0.3", k=1, max_passes=2)
    add(graph, "tint", "ScriptedLoop", image=["back", 0], mask=["loop", 2])
    _, pictures, _ = run(server, graph)
    assert added(pictures) == [0, 4, 8]


def test_an_interrupted_run_is_not_concluded(server, composite_copy, mask_name):
    """Cancelled while the loop's end shows a pass."""
    seen = []

    def hear(kind, data):
        if kind == "progress" and data["node"] == "end.2":
            seen.append(data["value"])
            server.interrupt()

    with pytest.raises(WorkflowError, match="interrupted"):
        server.run(
            scripted_loop(composite_copy(), mask_name, " ".join(f"0.{i}" for i in range(10, 51)), k=1, max_passes=40),
            on_message=hear,
        )
    assert seen == [2]
