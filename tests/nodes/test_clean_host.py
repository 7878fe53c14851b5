"""What a run leaves behind in the host: nothing. All tests share one process, one MODEL and one CLIP."""

import pytest
import torch
from graphs import add, edit_graph, interrupted, null_text_graph, saved_latent
from safetensors.torch import load_file, save_file


@pytest.fixture
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
    graph = {"load": {"class_type": "LoadImage", "inputs": {"image": composite_copy()}}}
    add(graph, "mask", "LoadImageMask", image=mask_name, channel="red")
    add(graph, "find", "FindInstances", image=["load", 0], mask=["mask", 0], source="embedded")
    add(graph, "similar", "InstanceSimilarity", instances=["find", 0], image=["load", 0])
    add(graph, "network", "LoadRoutedHarmonizer", name="embedded")
    inputs = {"harmonizer": ["network", 0], "importance": ["similar", 0], "strength": 1.0, "local": True}
    add(graph, "apply", "RoutedHarmonize", image=["load", 0], mask=["mask", 0], **inputs)
    server.run(add(graph, "save", "PreviewImage", images=["apply", 0]))
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


@pytest.mark.parametrize(
    ("node", "steps", "per_timestep"), [("invert", 1000, 1), ("refine", 20, 100), ("null", 4, 100), ("edit", 80, 0)]
)
def test_cancelling_leaves_the_host_clean(
    server, edited, sampled, composite_copy, mask_name, node, steps, per_timestep
):
    before, stock = edited(), sampled()
    if node == "null":
        graph = null_text_graph(composite_copy(), mask_name, steps, inner_steps=per_timestep)
    else:
        graph = edit_graph(composite_copy(), mask_name, steps, per_timestep)
    (reached, total), error = interrupted(server, graph, node)
    assert error.details["node_id"] == node
    assert reached < total
    assert torch.equal(sampled(), stock)
    assert torch.equal(edited(), before)


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
