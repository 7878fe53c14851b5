"""DiffHarmony's nodes on the real server, on a narrow checkpoint of the inpainting kind with random weights."""

import numpy as np
import pytest
import torch
from checkpoints import write_sd1, write_unclip_unet
from graphs import add, refusal, saved_latent, saved_picture
from harmony_vaes import released_state, write_released
from PIL import Image

from diff_harmonization.host.diffharmony.vae import FOLDER

SIDE = 64
SETTINGS = {"seed": 5, "steps": 5, "size": SIDE}


@pytest.fixture(scope="module", autouse=True)
def files(server, server_base):
    """The models that these tests name."""
    models, released = server_base / "models", released_state()
    plain = {
        name: value for name, value in released.items() if name.startswith(("encoder", "decoder", "quant", "post"))
    }
    written = [
        write_sd1(models / "checkpoints" / "inpainting.ckpt", channels=9),
        write_sd1(models / "checkpoints" / "plain.ckpt"),
        write_unclip_unet(models / "diffusion_models" / "unclip.ckpt"),
        write_released(models / FOLDER / "condition_vae" / "vae.bin", released),
        write_released(models / FOLDER / "plain.bin", plain),
    ]
    yield
    for path in written:
        path.unlink()
    server.free()


@pytest.fixture(scope="module")
def inputs(server, example, tmp_path_factory):
    """Names of a square composite and its mask as the server has them, and both as arrays."""
    folder, names, arrays = tmp_path_factory.mktemp("square"), [], []
    for path in example:
        with Image.open(path) as picture:
            small = picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX)
        if path.stem == "mask":
            small = small.point(lambda value: 255 * (value > 127))
        small.save(folder / f"square_{path.name}")
        names.append(server.upload(folder / f"square_{path.name}"))
        arrays.append(np.asarray(small))
    return names, arrays[0], arrays[1][..., 0]


@pytest.fixture
def graph(inputs):
    """The checkpoint, the composite and the mask."""
    composite, mask = inputs[0]
    graph = {}
    add(graph, "model", "CheckpointLoaderSimple", ckpt_name="inpainting.ckpt")
    add(graph, "composite", "LoadImage", image=composite)
    add(graph, "mask", "LoadImageMask", image=mask, channel="red")
    return add(graph, "details", "LoadHarmonyVAE", name="condition_vae/vae.bin")


def links(*names, **more):
    every = {
        "model": ["model", 0],
        "clip": ["model", 1],
        "vae": ["model", 2],
        "image": ["composite", 0],
        "mask": ["mask", 0],
        "harmony_vae": ["details", 0],
    }
    return {name: every[name] for name in names or every} | more


def in_one_box(graph, **changes):
    add(graph, "harmonize", "DiffHarmonize", **links(), **SETTINGS | {"seeds": 1, "carry": "pixels"} | changes)
    return add(graph, "save", "SaveImage", images=["harmonize", 0], filename_prefix="tests/diffharmony")


def by_stock_nodes(graph, seed=SETTINGS["seed"]):
    """The same with the host's sampler; its latent and its pixels are saved, too."""
    add(graph, "text", "CLIPTextEncode", clip=["model", 1], text="")
    texts = {"positive": ["text", 0], "negative": ["text", 0]}
    add(graph, "show", "DiffHarmonyConditioning", **texts, **links("vae", "image", "mask"))
    shown = {"positive": ["show", 0], "negative": ["show", 1], "latent_image": ["show", 2]}
    settings = {"seed": seed, "steps": 5, "cfg": 1.0, "sampler_name": "euler_ancestral", "scheduler": "normal"}
    add(graph, "sample", "KSampler", model=["model", 0], **shown, **settings, denoise=1.0)
    add(graph, "decode", "HarmonyVAEDecode", latent=["sample", 0], **links("image", "mask", "harmony_vae"))
    add(graph, "plain", "VAEDecode", samples=["sample", 0], vae=["model", 2])
    add(graph, "latent", "SaveLatent", samples=["sample", 0], filename_prefix="tests/diffharmony")
    for key in ("decode", "plain"):
        add(graph, f"save_{key}", "SaveImage", images=[key, 0], filename_prefix=f"tests/{key}")
    return graph


def test_the_object_changes_and_nothing_else(server, graph, inputs):
    outputs = server.run(in_one_box(graph))
    result, (_, composite, mask) = saved_picture(server, outputs, "save"), inputs
    assert (result[mask == 0] == composite[mask == 0]).all()
    assert (result[mask == 255] != composite[mask == 255]).any(-1).mean() > 0.5
    assert outputs["harmonize"]["text"] == ["seed 5"]


def test_one_box_is_the_stock_sampler_s_picture(server, graph, inputs):
    outputs = server.run(by_stock_nodes(in_one_box(graph)))
    box, stock, plain = (
        saved_picture(server, outputs, key).astype(int) for key in ("save", "save_decode", "save_plain")
    )
    inside = inputs[2] == 255
    assert np.abs(box - stock)[inside].max() <= 1
    assert np.abs(plain - stock)[inside].mean() > 1


def test_stock_nodes_are_bit_identical_afterwards(server, graph):
    """Sampler and decoder on the same MODEL and VAE, before and after; other seeds keep the cache out."""

    def stock(seed):
        outputs = server.run(by_stock_nodes(dict(graph), seed))
        return saved_latent(server, outputs, "latent"), saved_picture(server, outputs, "save_plain")

    latent, picture = stock(11)
    server.run(in_one_box(dict(graph), seed=7, seeds=2))
    stock(12)
    server.free()
    again, picture_again = stock(11)
    assert torch.equal(again, latent) and (picture_again == picture).all()


def test_an_evaluator_chooses_a_version_and_how_much_of_it(server, graph):
    add(in_one_box(graph, seeds=2, carry="lut"), "judge", "LoadHarmonyEvaluator", name="embedded")
    graph["harmonize"]["inputs"]["evaluator"] = ["judge", 0]
    add(graph, "score", "HarmonyScore", evaluator=["judge", 0], image=["harmonize", 0], mask=["mask", 0])
    outputs = server.run(add(graph, "shown", "PreviewAny", source=["score", 0]))
    (text,) = outputs["harmonize"]["text"]
    seeds, share, scores = text.split("; ", 2)
    assert seeds in ("seed 5", "seed 6", "seed 5, 6") and share.endswith("% of the change")
    taken = scores.split(f" at {share.split()[0]}")[0].split()[-1]
    assert float(taken) == pytest.approx(float(outputs["shown"]["text"][0]), abs=1e-3)


def test_composites_of_a_real_picture(server, graph, inputs):
    add(graph, "make", "InverseHarmonize", **links(), **SETTINGS, candidates=3)
    outputs = server.run(add(graph, "save", "SaveImage", images=["make", 0], filename_prefix="tests/inverse"))
    made = [saved_picture(server, outputs, "save", index) for index in range(3)]
    assert len(outputs["save"]["images"]) == 3 and len({each.tobytes() for each in made}) == 3
    _, picture, mask = inputs
    assert all((each[mask == 0] == picture[mask == 0]).all() for each in made)


@pytest.mark.parametrize(
    ("node", "said"),
    [("DiffHarmonize", {"seeds": 1, "carry": "pixels"}), ("InverseHarmonize", {"candidates": 1})],
)
def test_a_plain_checkpoint_is_refused(server, graph, node, said):
    graph["model"]["inputs"]["ckpt_name"] = "plain.ckpt"
    add(graph, "wrong", node, **links(), **SETTINGS, **said)
    message = refusal(server, add(graph, "save", "PreviewImage", images=["wrong", 0]))
    assert message.startswith(f"{node}, input model: got a UNet of 4 input channels, expected 9")
    assert "\n" not in message.strip()


def test_a_unet_of_another_family_is_refused(server, graph):
    add(in_one_box(graph), "other", "UNETLoader", unet_name="unclip.ckpt", weight_dtype="default")
    graph["harmonize"]["inputs"]["model"] = ["other", 0]
    message = refusal(server, graph)
    assert message.startswith("DiffHarmonize, input model: got a UNet with another pooled conditioning than SDXL's")


def test_another_vae_is_refused(server, graph):
    add(in_one_box(graph), "mini", "LoadMiniHarmonyModel")
    graph["harmonize"]["inputs"]["vae"] = ["mini", 2]
    assert refusal(server, graph).startswith("DiffHarmonize, input vae: got ")


def test_a_plain_vae_is_no_harmony_vae(server, graph):
    graph["details"]["inputs"]["name"] = "plain.bin"
    message = refusal(server, in_one_box(graph))
    assert message.startswith("LoadHarmonyVAE, input name: plain.bin is no Harmony-VAE: it has no conditional encoder")
    assert "\n" not in message.strip()


def test_a_composite_of_another_size_is_refused(server, graph):
    by_stock_nodes(graph)
    add(graph, "large", "ImageScaleBy", image=["composite", 0], upscale_method="area", scale_by=2.0)
    add(graph, "size", "GetImageSize", image=["large", 0])
    add(graph, "large_mask", "SolidMask", value=1.0, width=["size", 0], height=["size", 1])
    graph["decode"]["inputs"] |= {"image": ["large", 0], "mask": ["large_mask", 0]}
    assert refusal(server, graph).startswith("HarmonyVAEDecode, input image: got 128x128")


def test_files_are_listed(server):
    options = server.object_info()["LoadHarmonyVAE"]["input"]["required"]["name"][1]["options"]
    assert options == ["condition_vae/vae.bin", "plain.bin"]
