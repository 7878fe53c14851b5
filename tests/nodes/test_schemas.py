"""What the server says of the pack's nodes: shared workflows rely on it, and users read it."""

import json
from pathlib import Path

import pytest

# What the server said of the nodes of version 0.1.0, without texts. Shared workflows rely on it: add to it, never
# change an entry.
SAVED = json.loads(Path(__file__).with_name("object_info.json").read_text(encoding="utf-8"))
NODES = tuple(SAVED)
PAPER = {
    "DDIMInvert": {"steps": 50, "fixed_point_iterations": 0},
    "RefineEmbedding": {
        "steps_per_timestep": 2,
        "learning_rate": 0.001,
        "regularization_weight": 5000.0,
        "weight_decay": 0.01,
    },
    "RefineEmbeddingTraining": {
        "epochs": 50,
        "batch_size": 4,
        "learning_rate": 0.01,
        "regularization_weight": 1000.0,
        "weight_decay": 0.01,
    },
    "EdgeNullTextOptimize": {
        "edges": "auto",
        "guidance_scale": 2.5,
        "inner_steps": 1,
        "growth_interval": 10,
        "learning_rate": 0.1,
        "weight_decay": 0.01,
        "latent_weight": 10.0,
        "gamma": 0.1,
        "edge_image": "step",
    },
    "AttentionControlledEdit": {"guidance_scale": 2.5, "cross_end": 1.0, "self_end": 1.0},
    "FitColorLUT": {"size": 33},
    "IterateLoopEnd": {"k": 3, "max_passes": 10, "margin": 0.0, "plausible": False},
}


@pytest.fixture(scope="module")
def info(server):
    return server.object_info()


def declared(schema):
    return schema["input"].get("required", {}) | schema["input"].get("optional", {})


@pytest.mark.parametrize("node", NODES)
def test_node_explains_itself(info, node):
    schema = info[node]
    assert schema["display_name"] and schema["display_name"] != node
    assert schema["category"].startswith("Diff-Harmonization")
    assert len(schema["description"]) > 20
    for name, spec in declared(schema).items():
        assert len(spec) > 1 and len(spec[1].get("tooltip", "")) > 10, f"{node}.{name} has no tooltip"
    assert len(schema["output_tooltips"]) == len(schema["output"])
    assert all(tooltip and len(tooltip) > 5 for tooltip in schema["output_tooltips"])


@pytest.mark.parametrize("node", NODES)
def test_a_search_finds_the_node_by_other_words(info, node):
    """The schema's and the ids' own words are found anyway."""
    aliases = info[node]["search_aliases"]
    assert len(aliases) == len(set(aliases)) >= 3
    assert all(alias.strip() == alias and alias not in (node, info[node]["display_name"]) for alias in aliases)


@pytest.mark.parametrize("node", ["Harmonize", "HarmonizeInstances", "RoutedHarmonize", "DiffHarmonize"])
def test_who_composites_finds_what_harmonizes(info, node):
    sought = "relight, composite, blend, match light, match color, color match, paste, cutout, photoshop, harmonize"
    assert set(sought.split(", ")) <= set(info[node]["search_aliases"])


def kept(saved, present):
    """Whether nothing of a saved value is lost: choices may be added, and keys."""
    if isinstance(saved, dict):
        return all(key in present and kept(value, present[key]) for key, value in saved.items())
    if isinstance(saved, list) and all(isinstance(value, str) for value in saved):
        return set(saved) <= set(present)
    if isinstance(saved, list):
        return len(saved) <= len(present) and all(map(kept, saved, present))
    return saved == present


@pytest.mark.parametrize("node", NODES)
def test_shared_workflows_keep_loading(info, node):
    """Saved inputs and outputs are still there, in their order, with their types, defaults and limits."""
    saved, present = SAVED[node], info[node]
    required, optional = (present["input"].get(section, {}) for section in ("required", "optional"))
    assert list(required) == list(saved["required"])  # one more would break every workflow that lacks it
    assert list(optional)[: len(saved["optional"])] == list(saved["optional"])  # widgets go by their place
    for name, spec in (saved["required"] | saved["optional"]).items():
        assert kept(spec, (required | optional)[name]), name
    outputs = [list(each) for each in zip(*(present[f"output{key}"] for key in ("_name", "", "_is_list")), strict=True)]
    assert outputs[: len(saved["outputs"])] == saved["outputs"]
    assert (present["is_input_list"], present["output_node"]) == (saved["is_input_list"], saved["output_node"])


def test_a_lost_choice_or_another_default_is_seen():
    assert kept(["COMBO", {"options": ["a"], "default": "a"}], ["COMBO", {"default": "a", "options": ["b", "a"]}])
    assert not kept(["COMBO", {"options": ["a", "b"]}], ["COMBO", {"options": ["b"]}])
    assert not kept(["INT", {"default": 1}], ["INT", {"default": 2}])
    assert not kept(["INT", {"min": 1}], ["INT", {}])


def test_no_node_is_unlisted(info):
    """Every node of the pack's category stands in the list above."""
    ours = {name for name, schema in info.items() if schema["category"].startswith("Diff-Harmonization")}
    assert ours == set(NODES)


@pytest.mark.parametrize("node", NODES)
def test_numbers_have_ranges_that_hold_their_default(info, node):
    for name, (kind, *options) in declared(info[node]).items():
        if kind in ("INT", "FLOAT") and not options[0].get("forceInput"):
            assert options[0]["min"] <= options[0]["default"] <= options[0]["max"], name


@pytest.mark.parametrize(("node", "values"), PAPER.items())
def test_defaults_are_the_papers(info, node, values):
    inputs = declared(info[node])
    assert {name: inputs[name][1]["default"] for name in values} == values
