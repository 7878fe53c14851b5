"""The pack's outputs in the hands of the host's own nodes, and pictures in batches."""

import pytest
import torch
from graphs import add, edit_graph, psnr, saved_latent, saved_picture


def stock_sampler(graph, positive):
    """Replays DDIMInvert's outputs with the host's sampler; its latent is saved as "replayed"."""
    add(graph, "empty", "CLIPTextEncode", clip=["model", 1], text="")
    add(graph, "euler", "KSamplerSelect", sampler_name="euler")
    conditions = {"positive": positive, "negative": ["empty", 0]}
    path = {"sampler": ["euler", 0], "sigmas": ["invert", 2], "latent_image": ["invert", 1]}
    settings = {"add_noise": False, "noise_seed": 0, "cfg": 1.0}
    add(graph, "sample", "SamplerCustom", model=["model", 0], **settings, **conditions, **path)
    return add(graph, "replayed", "SaveLatent", samples=["sample", 0], filename_prefix="tests/replayed")


def test_a_stock_sampler_replays_the_inversion(server, composite_name, mask_name):
    graph = edit_graph(composite_name, mask_name, steps=20, per_timestep=0)
    graph["invert"]["inputs"]["fixed_point_iterations"] = 2
    for key in ("refine", "edit", "save"):
        del graph[key]
    stock_sampler(graph, ["empty", 0])
    add(graph, "decode", "VAEDecode", samples=["sample", 0], vae=["model", 2])
    for key, source in (("view_file", "view"), ("replay_file", "decode")):
        add(graph, key, "SaveImage", images=[source, 0], filename_prefix=f"tests/{key}")
    outputs = server.run(graph)
    view, replay = (saved_picture(server, outputs, key) for key in ("view_file", "replay_file"))
    assert psnr(view, replay) > 40


def test_refined_words_guide_a_stock_sampler(server, composite_name, mask_name):
    latents = []
    for output in (1, 2):  # source, target
        graph = stock_sampler(edit_graph(composite_name, mask_name), ["refine", output])
        latents.append(saved_latent(server, server.run(graph), "replayed"))
    assert all(latent.isfinite().all() for latent in latents)
    assert (latents[0] - latents[1]).abs().max() > 1e-2


@pytest.fixture
def two_pictures(composite_name):
    """Nodes that give the composite and its negative, as one batch or one by one."""
    graph = {"load": {"class_type": "LoadImage", "inputs": {"image": composite_name}}}
    add(graph, "other", "ImageInvert", image=["load", 0])
    return add(graph, "both", "ImageBatch", image1=["load", 0], image2=["other", 0])


def test_a_batch_gives_what_its_pictures_give(server, composite_name, mask_name, two_pictures):
    """One mask serves both pictures. Refinement would share its embeddings, so the words stay as they are."""
    results = {}
    for key in ("load", "other", "both"):
        graph = edit_graph(composite_name, mask_name, per_timestep=0) | two_pictures
        graph["view"]["inputs"]["image"] = [key, 0]
        results[key] = saved_latent(server, server.run(graph))
    alone = torch.cat([results["load"], results["other"]])
    assert results["both"].shape == alone.shape == (2, 3, 64, 64)
    torch.testing.assert_close(results["both"], alone, rtol=1e-3, atol=1e-4)
    assert (alone[0] - alone[1]).abs().max() > 0.1


def test_a_batch_is_refined_and_carried_back(server, composite_name, mask_name, two_pictures):
    graph = edit_graph(composite_name, mask_name) | two_pictures
    graph["view"]["inputs"]["image"] = ["both", 0]
    add(graph, "decode", "VAEDecode", samples=["edit", 0], vae=["model", 2])
    add(graph, "fit", "FitColorLUT", before=["view", 0], after=["decode", 0], mask=["view", 1], size=9)
    graph["fit"]["inputs"] |= {"smoothness": 1e-4, "identity_weight": 1e-3}
    add(graph, "apply", "ApplyColorLUT", image=["both", 0], lut=["fit", 0], mask=["mask", 0], amount=1.0, feather=0)
    graph["apply"]["inputs"]["interpolation"] = "trilinear"
    add(graph, "result", "SaveImage", images=["apply", 0], filename_prefix="tests/batch")
    outputs = server.run(graph)
    assert len(outputs["result"]["images"]) == 2
    first, second = (saved_picture(server, outputs, "result", index) for index in range(2))
    assert first.shape == second.shape and (first != second).any()
