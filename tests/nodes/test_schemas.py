"""What the server says of the pack's nodes: shared workflows rely on it, and users read it."""

import pytest

# Shared workflows hold these names: add to them, never change them.
NODES = (
    "LoadMiniHarmonyModel",
    "TextDescribe",
    "LocalDescribe",
    "GeminiDescribe",
    "DescribePicker",
    "WorkingView",
    "DDIMInvert",
    "RefineEmbedding",
    "RefineEmbeddingTraining",
    "AttentionMaps",
    "EdgeNullTextOptimize",
    "AttentionControlledEdit",
    "HarmonyFilmstrip",
    "FitColorLUT",
    "ApplyColorLUT",
    "SaveColorLUT",
    "LoadHarmonyEvaluator",
    "HarmonyScore",
    "IterateLoop",
    "IterateLoopEnd",
    "IterateLoopPass",
    "Harmonize",
    "HarmonizeInstances",
)
SOCKETS = {
    "LoadMiniHarmonyModel": ["MODEL", "CLIP", "VAE"],
    "TextDescribe": ["DIFFHARM_DESCRIPTION", "STRING"],
    "GeminiDescribe": ["DIFFHARM_DESCRIPTION", "STRING", "DIFFHARM_DESCRIPTIONS"],
    "LocalDescribe": ["DIFFHARM_DESCRIPTION", "STRING", "DIFFHARM_DESCRIPTIONS"],
    "DescribePicker": ["DIFFHARM_DESCRIPTION", "STRING", "DIFFHARM_DESCRIPTIONS"],
    "WorkingView": ["IMAGE", "MASK", "MASK"],
    "DDIMInvert": ["DIFFHARM_TRAJECTORY", "LATENT", "SIGMAS"],
    "RefineEmbedding": ["DIFFHARM_REFINED_EMBEDDING", "CONDITIONING", "CONDITIONING", "IMAGE"],
    "RefineEmbeddingTraining": ["DIFFHARM_REFINED_EMBEDDING", "CONDITIONING", "CONDITIONING", "IMAGE"],
    "AttentionMaps": ["IMAGE"],
    "EdgeNullTextOptimize": ["DIFFHARM_NULL_TEXT", "IMAGE"],
    "AttentionControlledEdit": ["LATENT"],
    "HarmonyFilmstrip": ["IMAGE"],
    "FitColorLUT": ["DIFFHARM_COLOR_LUT"],
    "ApplyColorLUT": ["IMAGE"],
    "SaveColorLUT": ["STRING"],
    "LoadHarmonyEvaluator": ["DIFFHARM_EVALUATOR"],
    "HarmonyScore": ["FLOAT", "FLOAT"],
    "IterateLoop": ["DIFFHARM_LOOP_FLOW", "IMAGE", "MASK", "INT", "INT"],
    "IterateLoopEnd": ["IMAGE", "IMAGE", "FLOAT", "STRING", "STRING", "INT"],
    "IterateLoopPass": ["IMAGE", "IMAGE", "FLOAT", "STRING", "STRING", "INT"],
    "Harmonize": ["IMAGE", "DIFFHARM_COLOR_LUT", "IMAGE", "FLOAT", "STRING", "STRING", "INT"],
    "HarmonizeInstances": ["IMAGE", "DIFFHARM_COLOR_LUT"],
}
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
    "IterateLoopEnd": {"k": 3, "max_passes": 10},
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
def test_sockets_are_stable(info, node):
    assert info[node]["output"] == SOCKETS[node]


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
