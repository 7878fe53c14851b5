"""The loop on the embedded model: as a graph, and in one node."""

import re
from collections import Counter
from pathlib import Path

import pytest
import torch
from graphs import add, edit_graph, keep_bits, refusal, rising_scores, saved_latent, saved_picture, shipped

from diff_harmonization.cli.client import WorkflowError
from diff_harmonization.cli.server import HostServer, device_options
from diff_harmonization.loop.policy import MARGIN

LINES = (
    "cat & (foreground) warm indoor & (background) snowy winter cold",
    "cat & (foreground) golden & (background) blue bright",
    "cat & (foreground) bright & (background) dark night",
)
STEPS = 2
LISTS = ("scores", "descriptions", "decisions", "chosen", "reasons")


def with_lists(graph, node, slot):
    for index, name in enumerate(LISTS, slot):
        add(graph, name, "PreviewAny", source=[node, index])
    return graph


def describe_by_hand(graph):
    for index, line in enumerate(LINES):
        add(graph, f"line{index}", "TextDescribe", description=line)
    return {f"choice{index}": [f"line{index}", 0] for index in range(3)}


def loop_graph(composite, mask, per_timestep=0, maps=False, **limits):
    """The shipped graph with few steps and three descriptions written by hand; each pass draws its maps or not."""
    graph = shipped("harmonize_loop")
    if not maps:
        del graph["maps"], graph["save_maps"]
    graph["composite"]["inputs"]["image"], graph["mask"]["inputs"]["image"] = composite, mask
    add(graph, "describe", "ScriptedPick", seed=["loop", 3], **describe_by_hand(graph))
    graph["invert"]["inputs"]["steps"] = STEPS
    graph["refine"]["inputs"]["steps_per_timestep"] = per_timestep
    graph["end"]["inputs"] |= limits
    return keep_bits(with_lists(graph, "end", 2), passes=["end", 1], result=["apply", 0])


def one_node(composite, mask, per_timestep=0, **limits):
    """The same in one node, without the routed network's results."""
    graph = shipped("harmonize_one_node")
    del graph["harmonizer"], graph["apply"]["inputs"]["harmonizer"]
    graph["composite"]["inputs"]["image"], graph["mask"]["inputs"]["image"] = composite, mask
    add(graph, "describe", "ScriptedDescriptions", **describe_by_hand(graph))
    graph["apply"]["inputs"] |= {"descriptions": ["describe", 0], "steps": STEPS, "steps_per_timestep": per_timestep}
    graph["apply"]["inputs"] |= {"fast": False, "margin": 0.005}  # as the graph refines and doubts
    graph["apply"]["inputs"] |= limits
    return keep_bits(with_lists(graph, "apply", 3), passes=["apply", 2], result=["apply", 0])


def results(server, outputs):
    pictures = {name: saved_latent(server, outputs, f"{name}_bits") for name in ("passes", "result")}
    return {name: outputs[name]["text"] for name in LISTS}, pictures


@pytest.fixture(scope="module")
def looped(server, composite_copy, mask_name):
    """Three descriptions, six passes."""
    return server.run(loop_graph(composite_copy(), mask_name, per_timestep=1, maps=True, max_passes=6))


def test_three_descriptions_and_six_passes(server, looped):
    lists, pictures = results(server, looped)
    count = len(lists["scores"])
    assert 4 < count <= 7
    assert lists["decisions"][:3] == ["start", "trial", "trial"] and lists["decisions"][-1] == "conclude"
    assert lists["descriptions"][:4] == ["", *LINES]
    scores, chosen = [float(score) for score in lists["scores"]], int(lists["chosen"][0])
    assert scores[chosen] > max(scores) - MARGIN
    assert all(reason.startswith(("taken: ", "refused: ")) for reason in lists["reasons"][1:])
    assert chosen == 0 or lists["reasons"][chosen].startswith("taken: ")
    assert pictures["passes"].shape == (count, 256, 256, 3)
    assert len({tuple(image.flatten()[::997].tolist()) for image in pictures["passes"]}) == count
    assert len(looped["save_passes"]["images"]) == count
    assert saved_picture(server, looped, "save_strip").shape[1] > 600
    assert sum(node.endswith("save_maps") for node in looped) == count - 1


def test_only_the_object_changes_from_pass_to_pass(server, looped):
    """What lies outside the mask keeps its bits through every pass; inside, values are no 8-bit ones."""
    _, pictures = results(server, looped)
    first, *others = pictures["passes"]
    moved = torch.stack([(image - first).abs().amax(-1) for image in others])
    still = moved.amax(0) == 0
    assert 0.15 < still.float().mean() < 0.95
    last = others[-1][~still] * 255
    assert (last - last.round()).abs().mean() > 0.2


def test_the_result_is_the_best_state_at_full_resolution(server, looped, example):
    result = saved_picture(server, looped, "save")
    _, pictures = results(server, looped)
    assert result.shape == tuple(pictures["result"].shape[1:])


def test_one_node_gives_the_same(server, looped, composite_copy, mask_name):
    """To the bit: the lists, every pass, and the full-resolution picture."""
    lists, pictures = results(server, looped)
    own_lists, own_pictures = results(server, server.run(one_node(composite_copy(), mask_name, 1, max_passes=6)))
    assert own_lists == lists
    for name, picture in pictures.items():
        assert torch.equal(own_pictures[name], picture), name


def test_words_that_follow_the_object_are_the_same_in_the_graph_and_in_one_node(server, composite_copy, mask_name):
    """As shipped: the routed network says how the object should look, and each pass asks for what is left to change."""
    graph = shipped("harmonize_loop")
    del graph["maps"], graph["save_maps"]
    box = shipped("harmonize_one_node")
    del box["apply"]["inputs"]["harmonizer"]
    for each in (graph, box):
        each["composite"]["inputs"]["image"], each["mask"]["inputs"]["image"] = composite_copy(), mask_name
        each["describe"]["inputs"]["object"] = "tree"
    graph["invert"]["inputs"]["steps"] = box["apply"]["inputs"]["steps"] = STEPS
    graph["refine"]["inputs"]["steps_per_timestep"] = box["apply"]["inputs"]["steps_per_timestep"] = 0
    graph["end"]["inputs"] |= {"max_passes": 5}
    box["apply"]["inputs"] |= {"max_passes": 5, "fast": False, "margin": graph["end"]["inputs"]["margin"]}
    keep_bits(with_lists(graph, "end", 2), passes=["end", 1], result=["apply", 0])
    keep_bits(with_lists(box, "apply", 3), passes=["apply", 2], result=["apply", 0])
    (lists, pictures), (own_lists, own_pictures) = (results(server, server.run(each)) for each in (graph, box))
    assert own_lists == lists
    for name, picture in pictures.items():
        assert torch.equal(own_pictures[name], picture), name
    looks = [line.partition(" & (background)")[0] for line in lists["descriptions"][1:]]
    assert len(set(looks[:3])) == 1 < len(set(looks)), "trials start from one picture, later passes from others"


def test_the_routed_networks_results_compete(server, composite_copy, mask_name):
    graph = one_node(composite_copy(), mask_name, k=1, max_passes=1)
    add(graph, "harmonizer", "LoadRoutedHarmonizer", name="embedded")
    graph["apply"]["inputs"]["harmonizer"] = ["harmonizer", 0]
    lists, pictures = results(server, server.run(graph))
    assert lists["decisions"] == [*["propose"] * 4, "start", "conclude"]
    assert lists["descriptions"] == ["", *(f"routed, strength {share}" for share in (0.25, 0.5, 0.75, 1)), LINES[0]]
    first, *proposals, _ = pictures["passes"]
    changes = [float((proposal - first).abs().mean()) for proposal in proposals]
    assert changes[0] > 0 and changes == sorted(changes)


def test_one_switch_gives_the_papers_loop(server, composite_copy, mask_name):
    """Nothing but the passes competes, and the best score wins."""
    graph = shipped("harmonize_one_node")
    graph["composite"]["inputs"]["image"], graph["mask"]["inputs"]["image"] = composite_copy(), mask_name
    graph["apply"]["inputs"] |= {"steps": STEPS, "steps_per_timestep": 0, "max_passes": 2, "paper_loop": True}
    keep_bits(with_lists(graph, "apply", 3), passes=["apply", 2], result=["apply", 0])
    lists, _ = results(server, server.run(graph))
    scores = [float(score) for score in lists["scores"]]
    assert lists["decisions"] == ["start", "trial", "conclude"]
    assert scores[int(lists["chosen"][0])] == max(scores)


def saved_passes(log: Path, start: int = 0) -> list[Path]:
    """Files of finished passes that the log names."""
    found = re.findall(r"pass \d+ scores .*, saved as (.*)$", log.read_text(errors="replace")[start:], re.M)
    return [Path(name) for name in found]


@pytest.fixture(scope="module")
def edited(server, composite_copy, mask_name):
    """The latent of one edit, computed anew on the model that the loops share."""
    return lambda: saved_latent(server, server.run(edit_graph(composite_copy(), mask_name, steps=2, per_timestep=0)))


@pytest.fixture(scope="module")
def clean(edited):
    """The edit before anything was cancelled."""
    return edited()


@pytest.mark.parametrize(("number", "node"), [(1, "refine"), (2, "edit"), (3, "refine"), (5, "invert")])
def test_cancelling_in_any_pass_leaves_the_host_clean(
    server, server_log, edited, clean, composite_copy, mask_name, number, node
):
    start, cancelled = len(server_log.read_text(errors="replace")), []
    copy = node if number == 1 else f"end.{number}.{node}"

    def hear(kind, data):
        if kind == "executing" and data["node"] == copy:
            cancelled.append(copy)
            server.interrupt()

    graph = rising_scores(loop_graph(composite_copy(), mask_name, int(node == "refine"), max_passes=6))
    with pytest.raises(WorkflowError, match="interrupted"):
        server.run(graph, on_message=hear)
    assert cancelled == [copy]
    files = saved_passes(server_log, start)
    assert len(files) == number - 1 and all(file.is_file() for file in files)
    assert torch.equal(edited(), clean)


def test_cancelling_the_one_node_leaves_the_host_clean(server, server_log, edited, clean, composite_copy, mask_name):
    start = len(server_log.read_text(errors="replace"))

    def hear(kind, data):
        """After the second pass, which the node reports as 2 of max_passes."""
        if kind == "progress" and data["node"] == "apply" and (data["value"], data["max"]) == (2, 6):
            server.interrupt()

    with pytest.raises(WorkflowError, match="interrupted"):
        server.run(one_node(composite_copy(), mask_name, max_passes=6), on_message=hear)
    files = saved_passes(server_log, start)
    assert len(files) == 2 and all(file.is_file() for file in files)
    assert torch.equal(edited(), clean)


def test_the_one_nodes_error_names_the_finished_passes(server, composite_copy, mask_name):
    graph = one_node(composite_copy(), mask_name)
    words = " ".join(f"{letter}7x2z9k4q8w3j6v5b1n" for letter in "abcdefghijklmnopqrst")  # many tokens in 20 words
    line = f"cat & (foreground) bright & (background) {words}"
    graph["line2"]["inputs"] |= {"description": line, "strict": False}
    message = refusal(server, graph)
    assert "Harmonize, pass 3" in message and "75 tokens" in message
    files = [Path(name) for name in re.findall(r"/\S+?pass_\d\d_\d+_\.png", message)]
    assert len(files) == 2 and all(file.is_file() for file in files)


def test_every_finished_pass_serves_a_larger_limit(host_path, new_base, example):
    """Under --cache-classic; see tests/nodes/test_loop.py for the default cache."""
    base, ran = new_base(), []
    with HostServer(host_path, base, base / "server.log", *device_options(), "--cache-classic") as client:
        names = [client.upload(path) for path in example]
        for limit in (4, 6):
            executed = Counter()

            def hear(kind, data, executed=executed):
                if kind == "executing" and data["node"] is not None:
                    executed[data["display_node"]] += 1

            client.run(rising_scores(loop_graph(*names, max_passes=limit)), on_message=hear)
            ran.append(executed)
    stages = ("invert", "refine", "edit", "fit_pass", "apply_pass", "judge")
    assert {stage: ran[0][stage] for stage in stages} == dict.fromkeys(stages, 4) | {"invert": 2}
    assert {stage: ran[1][stage] for stage in stages} == dict.fromkeys(stages, 2)
    assert ran[1]["end"] == 6  # decides anew on every score
