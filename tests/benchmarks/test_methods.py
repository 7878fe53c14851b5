"""The benchmarks measure what the shipped workflows do."""

import json

import pytest
from graphs import WORKFLOWS

from diff_harmonization.benchmarks.methods import FOLLOWING_LOOP, LOOP_PASS, ONE_PASS
from diff_harmonization.host.zero_shot.harmonize import VIEW_SIZE


@pytest.mark.parametrize(
    ("workflow", "view", "apply", "settings"),
    [("harmonize", "view", "apply", ONE_PASS), ("harmonize_loop", "square", "apply_pass", LOOP_PASS)],
)
def test_a_pass_has_the_settings_of_the_shipped_workflow(workflow, view, apply, settings):
    graph = json.loads((WORKFLOWS / "api" / f"{workflow}.json").read_text(encoding="utf-8"))
    words = graph["refine"]["inputs"]
    assert (settings.steps, settings.size) == (graph["invert"]["inputs"]["steps"], graph[view]["inputs"]["size"])
    assert (settings.strength, settings.amount) == (
        graph["edit"]["inputs"]["strength"],
        graph[apply]["inputs"]["amount"],
    )
    one_box = json.loads((WORKFLOWS / "api" / "harmonize_one_node.json").read_text(encoding="utf-8"))["apply"]["inputs"]
    fast = one_box["fast"] if settings is LOOP_PASS else words["fast"]  # the box refines faster than the long graph
    constants = vars(settings.refinement) | {"fast": settings.refinement.cached_queries}
    del constants["cached_queries"]
    assert constants == {name: words[name] for name in constants} | {"fast": fast}
    if workflow == "harmonize_loop":
        assert graph["view"]["inputs"]["size"] == VIEW_SIZE
        end = graph["end"]["inputs"]
        assert (
            end["margin"] == FOLLOWING_LOOP.margin
            and end["plausible"]
            and "current_image" in graph["describe"]["inputs"]
        )
