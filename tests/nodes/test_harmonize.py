"""Several objects in one picture: what Harmonize would do to one after another."""

import numpy as np
import pytest
import torch
from graphs import add, refusal, saved_latent
from PIL import Image

WORDS = ("warm indoor", "dim", "bright")
PASS = {"size": 64, "steps": 2, "strength": 1.0, "amount": 0.7, "steps_per_timestep": 0, "view_size": 64}
PASS |= {"paper_loop": True}  # two steps bring less than the margin


@pytest.fixture(scope="module")
def thirds(server, example, tmp_path_factory):
    """The object's mask in three parts: files on the server, and planes [3,H,W]."""
    with Image.open(example[1]) as picture:
        mask = np.asarray(picture.convert("L")).copy()
    cuts = [0, *np.quantile(mask.nonzero()[1], (1 / 3, 2 / 3)).astype(int), mask.shape[1]]
    folder, names = tmp_path_factory.mktemp("instances"), []
    for index, (start, stop) in enumerate(zip(cuts, cuts[1:], strict=False)):
        plane = np.zeros_like(mask)
        plane[:, start:stop] = mask[:, start:stop]
        Image.fromarray(plane).convert("RGB").save(folder / f"third{index}.png")
        names.append(server.upload(folder / f"third{index}.png", f"third{index}.png"))
    return names


@pytest.fixture
def graph(composite_name, thirds):
    """All that both ways share: the composite, a mask and a description for each object, the models."""
    graph = add({}, "composite", "LoadImage", image=composite_name)
    add(graph, "model", "LoadMiniHarmonyModel")
    add(graph, "evaluator", "LoadHarmonyEvaluator", name="embedded")
    for index, (name, words) in enumerate(zip(thirds, WORDS, strict=True)):
        add(graph, f"mask{index}", "LoadImageMask", image=name, channel="red")
        description = f"cat & (foreground) {words} & (background) snowy winter cold"
        add(graph, f"describe{index}", "TextDescribe", description=description)
    add(graph, "masks", "BatchMasksNode", **{f"masks.mask{n}": [f"mask{n}", 0] for n in range(3)})
    return add(graph, "descriptions", "ScriptedDescriptions", **{f"choice{n}": [f"describe{n}", 0] for n in range(3)})


MODELS = {"model": ["model", 0], "clip": ["model", 1], "vae": ["model", 2], "evaluator": ["evaluator", 0]}


def instances(graph, **inputs):
    links = {"image": ["composite", 0], "masks": ["masks", 0], "descriptions": ["descriptions", 0]}
    return add(graph, "all", "HarmonizeInstances", **MODELS | links | PASS | {"max_passes": 1} | inputs)


def save_bits(graph, node, key):
    add(graph, f"{key}_bits", "ImageAsLatent", image=[node, 0])
    add(graph, key, "SaveLatent", samples=[f"{key}_bits", 0], filename_prefix=f"tests/{key}")


def test_it_is_harmonize_for_one_after_another(server, graph):
    instances(graph)
    picture = "composite"
    for index in range(3):
        add(graph, f"alone{index}", "DescriptionAsList", description=[f"describe{index}", 0])
        links = {"image": [picture, 0], "mask": [f"mask{index}", 0], "descriptions": [f"alone{index}", 0]}
        limits = {"k": 1, "max_passes": 1, "new_descriptions": "best other trial"}
        add(graph, f"one{index}", "Harmonize", **MODELS | links | PASS | limits)
        picture = f"one{index}"
    for node, key in (("all", "together"), (picture, "apart"), ("composite", "before")):
        save_bits(graph, node, key)
    add(graph, "cubes", "SaveColorLUT", lut=["all", 1], filename_prefix="tests/instances")
    outputs = server.run(graph)
    together, apart, before = (saved_latent(server, outputs, key) for key in ("together", "apart", "before"))
    assert torch.equal(together, apart) and not torch.equal(together, before)
    assert len(outputs["cubes"]["cube"]) == 3
    told = [text for text in outputs["all"]["text"] if not text.startswith("Note:")]
    assert len(outputs["all"]["images"]) == 3 and len(told) == 3


def test_each_mask_wants_a_description(server, graph):
    del graph["masks"]["inputs"]["masks.mask2"]
    message = refusal(server, instances(graph) | add({}, "show", "PreviewImage", images=["all", 0]))
    assert "HarmonizeInstances, input descriptions: got 2 masks and 3 descriptions" in message


def test_masks_of_another_size_are_refused(server, graph):
    add(graph, "small", "SolidMask", value=1.0, width=50, height=60)
    message = refusal(server, instances(graph, masks=["small", 0]) | add({}, "show", "PreviewImage", images=["all", 0]))
    assert "HarmonizeInstances, input masks: got 50x60" in message
