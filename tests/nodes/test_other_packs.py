"""Beside another pack that replaces the attention of the same block."""

import torch
from graphs import add, edit_graph, saved_latent


def sampled(graph, model):
    """The stock sampler on a MODEL."""
    for name, text in (("positive", "cat snowy"), ("negative", "")):
        add(graph, name, "CLIPTextEncode", clip=["model", 1], text=text)
    settings = {"seed": 7, "steps": 2, "cfg": 3.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 0.8}
    links = {"model": model, "positive": ["positive", 0], "negative": ["negative", 0], "latent_image": ["encode", 0]}
    add(graph, "sample", "KSampler", **links, **settings)
    return add(graph, "saved", "SaveLatent", samples=["sample", 0], filename_prefix="tests/packs")


def test_its_patch_is_set_aside_for_a_stage_and_stays_for_others(server, composite_copy, mask_name):
    composite = composite_copy()
    plain = server.run(sampled(edit_graph(composite, mask_name, steps=2, per_timestep=0), ["model", 0]))
    graph = edit_graph(composite, mask_name, steps=2, per_timestep=0)
    add(graph, "patch", "ScriptedPatch", model=["model", 0])
    graph["edit"]["inputs"]["model"] = ["patch", 0]
    both = server.run(sampled(graph, ["patch", 0]))
    (told,) = both["edit"]["text"]
    assert told.startswith("Note: Another node replaces the attention of this MODEL (attn2 of middle 0).")
    # Beside it, rows share no work: what it does to a row is not known. That rounds otherwise.
    torch.testing.assert_close(saved_latent(server, both), saved_latent(server, plain), atol=1e-4, rtol=1e-4)
    theirs, stock = (saved_latent(server, outputs, "saved") for outputs in (both, plain))
    assert (theirs - stock).abs().max() > 1e-3
