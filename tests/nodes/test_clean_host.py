"""What a run leaves behind in the host: nothing. All tests share one process, one MODEL and one CLIP."""

import pytest
import torch
from graphs import (
    add,
    diffharmony_graph,
    edit_graph,
    null_text_graph,
    one_box_graph,
    pictures_graph,
    routed_graph,
    saved_latent,
    troubled,
)
from safetensors.torch import load_file, save_file
from vision_models import write_llava

from diff_harmonization.cli.client import WorkflowError


@pytest.fixture(scope="module")
def edited(server, composite_copy, mask_name):
    """The latent of an edit that the host has to compute; `change(graph)` may alter the graph."""

    def edit(change=lambda graph: graph):
        return saved_latent(server, server.run(change(edit_graph(composite_copy(), mask_name))))

    return edit


@pytest.fixture(scope="module")
def sampled(server, composite_copy):
    """The latent of a stock KSampler on the embedded model, computed anew."""

    def sample():
        picture = composite_copy()
        graph = {"model": {"class_type": "LoadMiniHarmonyModel", "inputs": {}}}
        add(graph, "load", "LoadImage", image=picture)
        add(graph, "scale", "ImageScale", image=["load", 0], upscale_method="area", width=64, height=64, crop="center")
        add(graph, "encode", "VAEEncode", pixels=["scale", 0], vae=["model", 2])
        # The model reads an unknown word as "object"; a new one keeps the host from using its cache.
        add(graph, "positive", "CLIPTextEncode", clip=["model", 1], text=f"cat snowy {picture.removesuffix('.png')}")
        add(graph, "negative", "CLIPTextEncode", clip=["model", 1], text="")
        settings = {"seed": 7, "steps": 4, "cfg": 3.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 0.8}
        links = {"model": ["model", 0], "positive": ["positive", 0], "negative": ["negative", 0]}
        add(graph, "sample", "KSampler", latent_image=["encode", 0], **links, **settings)
        add(graph, "save", "SaveLatent", samples=["sample", 0], filename_prefix="tests/sampled")
        return saved_latent(server, server.run(graph))

    return sample


@pytest.fixture(scope="module")
def clean(sampled, edited):
    """The stock sampler's latent and an edit's before anything was cancelled."""
    return sampled(), edited()


def test_stock_sampler_is_bit_identical_after_a_run(edited, sampled):
    before = sampled()
    edited()
    assert torch.equal(sampled(), before)


def test_stock_sampler_is_bit_identical_after_a_null_text(server, sampled, composite_copy, mask_name):
    before = sampled()
    server.run(null_text_graph(composite_copy(), mask_name))
    assert torch.equal(sampled(), before)


def test_stock_sampler_is_bit_identical_after_a_routed_run(server, sampled, composite_copy, mask_name):
    before = sampled()
    server.run(routed_graph(composite_copy(), mask_name))
    assert torch.equal(sampled(), before)


def test_edits_repeat_bit_for_bit(edited):
    assert torch.equal(edited(), edited())


def test_lora_shapes_the_edit_and_is_gone_afterwards(edited, sampled, server_base):
    write_lora(server_base / "models" / "loras" / "tiny.safetensors")

    def with_lora(graph):
        add(graph, "lora", "LoraLoaderModelOnly", model=["model", 0], lora_name="tiny.safetensors", strength_model=1.0)
        for node in graph.values():
            if node["class_type"] in ("DDIMInvert", "RefineEmbedding", "AttentionControlledEdit"):
                node["inputs"]["model"] = ["lora", 0]
        return graph

    plain, stock = edited(), sampled()
    with_it = edited(with_lora)
    assert (with_it - plain).abs().max() > 1e-2
    assert torch.equal(edited(with_lora), with_it)
    assert torch.equal(sampled(), stock)
    assert torch.equal(edited(), plain)


def maps_graph(composite, mask):
    graph = edit_graph(composite, mask)
    links = {"model": ["model", 0], "clip": ["model", 1], "trajectory": ["invert", 0], "refined": ["refine", 0]}
    links |= {"description": ["describe", 0], "image": ["view", 0], "mask": ["view", 1]}
    add(graph, "maps", "AttentionMaps", **links, levels=4)
    return add(graph, "drawn", "PreviewImage", images=["maps", 0])


def inverse_graph(composite, mask):
    graph = diffharmony_graph(composite, mask)
    del graph["save"], graph["apply"]["inputs"]["seeds"]
    graph["model"]["inputs"]["direction"], graph["apply"]["class_type"] = "inverse", "InverseHarmonize"
    graph["apply"]["inputs"] |= {"candidates": 3, "steps": 10}
    return add(graph, "drawn", "PreviewImage", images=["apply", 0])


def routed_batch_graph(composite, mask):
    graph = routed_graph(composite, mask)
    add(graph, "batch", "RepeatImageBatch", image=["composite", 0], amount=16)
    graph["apply"]["inputs"]["image"] = ["batch", 0]
    return graph


def described_graph(composite, mask):
    inputs = {"object": "cat", "provider": "vlm", "provider.model": "tiny llava"}
    graph = pictures_graph(composite, mask)
    add(graph, "describe", "LocalDescribe", image=["composite", 0], mask=["mask", 0], **inputs)
    return add(graph, "words", "PreviewAny", source=["describe", 1])


# What runs, and the node that is cancelled. It has many steps of half a second left then, or many pictures.
STAGES = {
    "inversion": (lambda *pictures: edit_graph(*pictures, 100), "invert"),
    "refinement": (lambda *pictures: edit_graph(*pictures, 4, 100), "refine"),
    "null-text": (lambda *pictures: null_text_graph(*pictures, inner_steps=100), "null"),
    "edit": (lambda *pictures: edit_graph(*pictures, 5, 0), "edit"),
    "maps": (maps_graph, "maps"),
    "loop in one box": (lambda *pictures: one_box_graph(*pictures, steps=10, steps_per_timestep=2), "apply"),
    "DiffHarmony": (lambda *pictures: diffharmony_graph(*pictures, steps=10, seeds=3), "apply"),
    "inverse DiffHarmony": (inverse_graph, "apply"),
    "routed": (routed_batch_graph, "apply"),
    "describe": (described_graph, "describe"),
}


@pytest.mark.parametrize("stage", STAGES)
def test_cancelling_ends_a_run_within_a_step_and_leaves_the_host_clean(
    server, server_base, clean, edited, sampled, composite_copy, mask_name, stage
):
    make, node = STAGES[stage]
    if stage == "describe":
        write_llava(server_base / "models" / "VLM" / "tiny llava")
    heard, stopped = [], []

    def hear(kind, data):
        if kind == "progress" and data["node"] == node:
            heard.append((data["value"], data["max"]))
            if not stopped:
                server.interrupt()
                stopped.append(data["value"])

    with pytest.raises(WorkflowError, match="interrupted") as error:
        server.run(troubled(make(composite_copy(), mask_name), "slow"), on_message=hear)
    assert error.value.details["node_id"] == node
    assert heard[-1][0] < heard[-1][1]
    assert len(heard) <= 3 or stage == "describe"  # the tiny model's tokens come faster than any answer
    assert torch.equal(sampled(), clean[0]) and torch.equal(edited(), clean[1])


def write_lora(path):
    """Rank 4 on the cross-attention of every block, under the host's own names."""
    import comfy.lora

    from diff_harmonization.mini.loader import load_unet, weights_path

    model = load_unet(load_file(weights_path())).model
    names = comfy.lora.model_lora_keys_unet(model, {})
    weights, generator = model.state_dict(), torch.Generator().manual_seed(0)
    lora = {}
    for name, key in names.items():
        if name == f"lora_unet_{key}".replace("diffusion_model.", "").removesuffix(".weight").replace(".", "_"):
            if "attn2.to_v" not in key:
                continue
            out, into = weights[key].shape
            lora[f"{name}.lora_up.weight"] = torch.randn(out, 4, generator=generator) / 2
            lora[f"{name}.lora_down.weight"] = torch.randn(4, into, generator=generator) / into**0.5
            lora[f"{name}.alpha"] = torch.tensor(4.0)
    assert lora
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(lora, path)
