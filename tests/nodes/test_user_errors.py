"""What users get wrong, and what they are told: the node, the input, what came, what was expected."""

import numpy as np
import pytest
from checkpoints import write_unclip_unet
from graphs import add, edit_graph, refusal, saved_picture, shipped, shorten
from PIL import Image


@pytest.fixture
def upload(server, tmp_path):
    def upload(name, pixels):
        Image.fromarray(pixels).save(tmp_path / name)
        return server.upload(tmp_path / name)

    return upload


def black(height, width):
    return np.zeros((height, width, 3), np.uint8)


def test_an_empty_mask(server, composite_name, upload, example):
    with Image.open(example[0]) as composite:
        mask = upload("empty.png", black(composite.height, composite.width))
    message = refusal(server, edit_graph(composite_name, mask))
    assert "ObjectMask, input file" in message and "empty" in message and "LoadImageMask" in message


def test_a_mask_of_another_size(server, composite_name, upload, example):
    mask = upload("small.png", black(50, 60) + 255)
    message = refusal(server, edit_graph(composite_name, mask))
    with Image.open(example[0]) as composite:
        expected = f"{composite.width}x{composite.height}"
    assert "ObjectMask, input file" in message and "60x50" in message and expected in message


@pytest.mark.parametrize(("node", "image_input"), [("LocalDescribe", "image"), ("ApplyColorLUT", "image")])
def test_every_node_with_a_mask_checks_it(server, composite_name, mask_name, upload, node, image_input):
    graph = shorten(shipped("harmonize"), steps=1, per_timestep=0)
    graph["composite"]["inputs"]["image"], graph["mask"]["inputs"]["image"] = composite_name, mask_name
    add(graph, "wrong", "LoadImageMask", image=upload("wrong.png", black(50, 60) + 255), channel="red")
    (target,) = (entry for entry in graph.values() if entry["class_type"] == node)
    target["inputs"]["mask"] = ["wrong", 0]
    message = refusal(server, graph)
    assert f"{node}, input mask" in message and "60x50" in message


def test_a_mask_framed_otherwise_than_the_latent(server, composite_name, mask_name, upload):
    """The whole picture's mask where the working view's belongs."""
    graph = edit_graph(composite_name, mask_name)
    graph["refine"]["inputs"]["mask"] = ["mask", 0]
    message = refusal(server, graph)
    assert "RefineEmbedding" in message and "mask" in message and "64" in message


def test_a_latent_of_another_model(server, composite_name, mask_name):
    graph = edit_graph(composite_name, mask_name)
    add(graph, "encode", "EmptyLatentImage", width=64, height=64, batch_size=1)
    message = refusal(server, graph)
    assert "[B,3,h,w]" in message and "4" in message and "VAE" in message


def test_an_embedding_of_another_trajectory(server, composite_name, mask_name):
    graph = edit_graph(composite_name, mask_name, steps=4, per_timestep=0)
    add(graph, "other", "DDIMInvert", **graph["invert"]["inputs"] | {"steps": 5})
    graph["edit"]["inputs"]["trajectory"] = ["other", 0]
    message = refusal(server, graph)
    assert "AttentionControlledEdit" in message and "refined" in message and "trajectory" in message


def test_pictures_of_different_sizes_for_the_lut(server, composite_name, mask_name):
    graph = shorten(shipped("harmonize"), steps=1, per_timestep=0)
    graph["composite"]["inputs"]["image"], graph["mask"]["inputs"]["image"] = composite_name, mask_name
    graph["fit"]["inputs"]["after"] = ["composite", 0]
    message = refusal(server, graph)
    assert "64" in message and "400" in message


@pytest.mark.parametrize("node", ["DDIMInvert", "RefineEmbedding", "AttentionControlledEdit"])
def test_a_model_of_another_family(server, server_base, composite_name, mask_name, node):
    """unCLIP's UNet, which wants a pooled image embedding beside the text."""
    folder = server_base / "models" / "diffusion_models"
    if not (folder / "unclip.ckpt").exists():
        write_unclip_unet(folder / "unclip.ckpt")
    graph = edit_graph(composite_name, mask_name)
    add(graph, "stranger", "UNETLoader", unet_name="unclip.ckpt", weight_dtype="default")
    (target,) = (entry for entry in graph.values() if entry["class_type"] == node)
    target["inputs"]["model"] = ["stranger", 0]
    message = refusal(server, graph)
    assert f"{node}, input model" in message and "unCLIP" in message and "SD1.5, SD2 or SDXL" in message


@pytest.mark.parametrize(("width", "height"), [(133, 97), (97, 211), (41, 37)])
def test_odd_sizes_work(server, upload, width, height):
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (height, width, 3), np.uint8)
    mask = black(height, width)
    mask[height // 3 : -height // 5, width // 4 : -width // 3] = 255
    graph = shorten(shipped("harmonize"), steps=2)
    graph["composite"]["inputs"]["image"] = upload(f"odd_{width}.png", pixels)
    graph["mask"]["inputs"]["image"] = upload(f"odd_mask_{width}.png", mask)
    result = saved_picture(server, server.run(graph), "save")
    assert result.shape == pixels.shape
    assert (result[mask[..., 0] == 0] == pixels[mask[..., 0] == 0]).all()


@pytest.mark.parametrize("size", [56, 72, 100])
def test_odd_working_views_work(server, composite_name, mask_name, size):
    """Sides that neither the patches nor the attention grid divide."""
    graph = edit_graph(composite_name, mask_name, steps=2)
    graph["view"]["inputs"]["size"] = size
    add(graph, "decode", "VAEDecode", samples=["edit", 0], vae=["model", 2])
    add(graph, "result", "SaveImage", images=["decode", 0], filename_prefix="tests/view")
    assert saved_picture(server, server.run(graph), "result").shape == (size, size, 3)
