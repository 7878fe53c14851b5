"""Null-text optimization in graphs on the real server."""

import pytest
import torch
from checkpoints import write_sd1
from graphs import add, edit_graph, null_text_graph, refusal, saved_latent, saved_picture
from safetensors.torch import save_file

from diff_harmonization.methods.zero_shot.structure.pidinet import empty_network


def notice(outputs):
    return "".join(outputs["null"]["text"])


@pytest.fixture
def pidinet(server_base):
    """Random weights in models/edge, for one test."""
    file = server_base / "models" / "edge" / "table5_pidinet-tiny.safetensors"
    file.parent.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)

    def write():
        save_file(empty_network(20).state_dict(), file)

    yield write
    file.unlink(missing_ok=True)


def test_the_edit_follows_the_null_text(server, composite_name, mask_name):
    graph = null_text_graph(composite_name, mask_name)
    add(graph, "curve", "SaveImage", images=["null", 1], filename_prefix="tests/curve")
    outputs = server.run(graph)
    assert "Sobel alone" in notice(outputs) and "table5_pidinet.pth" in notice(outputs)
    assert saved_picture(server, outputs, "curve").std() > 1
    guided = saved_latent(server, outputs)
    direct = saved_latent(server, server.run(edit_graph(composite_name, mask_name, per_timestep=0)))
    assert guided.isfinite().all() and (guided - direct).abs().max() > 1e-2


def test_fast_leads_to_nearly_the_same(server, composite_name, mask_name):
    slow, fast = (
        saved_latent(server, server.run(null_text_graph(composite_name, mask_name, steps=12, **options)))
        for options in ({}, {"fast": True})
    )
    unheld = saved_latent(server, server.run(null_text_graph(composite_name, mask_name, steps=12, edges="none")))
    assert 0 < (fast - slow).norm() < 0.5 * (unheld - slow).norm()


def test_weights_put_there_later_are_used(server, composite_name, mask_name, pidinet):
    graph = null_text_graph(composite_name, mask_name, gamma=100.0)
    without = server.run(graph)
    pidinet()
    with_it = server.run(graph)
    assert "Sobel alone" in notice(without) and "table5_pidinet-tiny.safetensors" in notice(with_it)
    assert not torch.equal(saved_latent(server, without), saved_latent(server, with_it))


def test_asking_for_pidinet_without_weights(server, composite_name, mask_name):
    message = refusal(server, null_text_graph(composite_name, mask_name, edges="sobel + pidinet"))
    assert "EdgeNullTextOptimize, input edges" in message and "models/edge/table5_pidinet.pth" in message


def test_pictures_of_another_frame(server, composite_name, mask_name):
    """The whole composite, or its mask, where the working view's belongs."""
    graph = null_text_graph(composite_name, mask_name)
    graph["null"]["inputs"]["mask"] = ["mask", 0]
    message = refusal(server, graph)
    assert "EdgeNullTextOptimize, input mask" in message and "400" in message and "64x64" in message
    graph["null"]["inputs"]["image"] = ["composite", 0]
    message = refusal(server, graph)
    assert "EdgeNullTextOptimize, input image" in message and "400" in message and "64x64" in message


def test_an_embedding_of_another_trajectory(server, composite_name, mask_name):
    graph = null_text_graph(composite_name, mask_name, steps=4)
    add(graph, "other", "DDIMInvert", **graph["invert"]["inputs"] | {"steps": 5})
    graph["null"]["inputs"]["trajectory"] = ["other", 0]
    message = refusal(server, graph)
    assert "EdgeNullTextOptimize, input refined" in message and "same inversion" in message


@pytest.mark.parametrize("size", [56, 100])
def test_odd_working_views(server, composite_name, mask_name, size):
    graph = null_text_graph(composite_name, mask_name, steps=2)
    graph["view"]["inputs"]["size"] = size
    assert saved_latent(server, server.run(graph)).shape == (1, 3, size, size)


@pytest.fixture(scope="module")
def checkpoint(server, server_base):
    """A checkpoint with SD's own VAE, and a TAESD; all weights are noise."""
    file = write_sd1(server_base / "models" / "checkpoints" / "null-sd1.ckpt")
    import comfy.taesd.taesd
    from tiny_models import fill

    network = comfy.taesd.taesd.TAESD()
    fill(network, 4)
    for part in ("encoder", "decoder"):
        state = getattr(network, f"taesd_{part}").state_dict()
        folder = server_base / "models" / "vae_approx"
        folder.mkdir(parents=True, exist_ok=True)
        save_file(state, folder / f"taesd_{part}.safetensors")
    yield file.name
    file.unlink()
    server.free()


@pytest.mark.parametrize("decoder", ["kl", "taesd"])
def test_latents_of_stable_diffusion(server, composite_name, mask_name, checkpoint, decoder):
    graph = null_text_graph(composite_name, mask_name, steps=2)
    add(graph, "model", "CheckpointLoaderSimple", ckpt_name=checkpoint)
    add(graph, "taesd", "VAELoader", vae_name="taesd")
    graph["null"]["inputs"]["vae"] = ["taesd", 0] if decoder == "taesd" else ["model", 2]
    assert saved_latent(server, server.run(graph)).isfinite().all()
