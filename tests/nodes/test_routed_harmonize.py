"""The routed harmonizer's nodes on the real server."""

import numpy as np
import pytest
import torch
from cubes import read_cube
from graphs import add, refusal, saved_picture
from PIL import Image
from routed_networks import lively_network
from safetensors.torch import save_file

from diff_harmonization.host.routed.harmonizer import EMBEDDED, FOLDER, MANIFEST
from diff_harmonization.training.files import weights_of, write_weights


@pytest.fixture(scope="module")
def models(server, server_base):
    """The server's folder of users' harmonizers, with a network and a file of something else."""
    folder = server_base / "models" / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    write_weights(weights_of(lively_network()), folder / "lively.safetensors")
    save_file({"a": torch.zeros(1)}, folder / "other.safetensors")
    return folder


@pytest.fixture(scope="module")
def name(models):
    """The embedded harmonizer where it ships."""
    return EMBEDDED if MANIFEST.is_file() else "lively.safetensors"


@pytest.fixture
def pixels(example):
    """The composite [H,W,3] and the mask [H,W] as they are on disk."""
    with Image.open(example[0]) as composite, Image.open(example[1]) as mask:
        return np.asarray(composite), np.asarray(mask.convert("L"))


def graph(composite, mask, name, **changes):
    graph = {}
    add(graph, "composite", "LoadImage", image=composite)
    add(graph, "mask", "LoadImageMask", image=mask, channel="red")
    add(graph, "load", "LoadRoutedHarmonizer", name=name)
    links = {"harmonizer": ["load", 0], "image": ["composite", 0], "mask": ["mask", 0]}
    add(graph, "harmonize", "RoutedHarmonize", **links | {"strength": 1.0, "local": True} | changes)
    return add(graph, "save", "SaveImage", images=["harmonize", 0], filename_prefix="tests/routed")


def test_the_object_changes_and_nothing_else(server, composite_name, mask_name, name, pixels):
    outputs = server.run(graph(composite_name, mask_name, name))
    result, (composite, mask) = saved_picture(server, outputs, "save"), pixels
    assert result.shape == composite.shape
    assert (result[mask == 0] == composite[mask == 0]).all()
    assert (result[mask == 255] != composite[mask == 255]).any(-1).mean() > 0.5
    assert outputs["harmonize"]["text"] == ["strength 1"]


def test_no_strength_changes_nothing(server, composite_name, mask_name, name, pixels):
    outputs = server.run(graph(composite_name, mask_name, name, strength=0.0))
    assert (saved_picture(server, outputs, "save") == pixels[0]).all()


def test_the_lut_is_the_change_without_its_local_part(server, composite_name, mask_name, name, pixels, tmp_path):
    plain = graph(composite_name, mask_name, name, local=False)
    add(plain, "cube", "SaveColorLUT", lut=["harmonize", 1], filename_prefix="tests/routed")
    outputs = server.run(plain)
    (file,) = outputs["cube"]["cube"]
    (tmp_path / "lut.cube").write_bytes(server.view(file))
    result, (composite, mask) = saved_picture(server, outputs, "save"), pixels
    colors = torch.from_numpy(composite[mask == 255]).float() / 255
    expected = 255 * read_cube(tmp_path / "lut.cube").sample(colors).numpy()
    assert np.abs(result[mask == 255] - expected).max() <= 1.001
    whole = saved_picture(server, server.run(graph(composite_name, mask_name, name)), "save")
    assert (whole != result).any()


def test_who_looks_like_the_object_may_be_painted(server, composite_name, mask_name, name):
    """Everything and the mask alone give other results, so the map reaches the network."""
    results = []
    for value in (0.0, 1.0):
        painted = graph(composite_name, mask_name, name)
        add(painted, "size", "GetImageSize", image=["composite", 0])
        add(painted, "painted", "SolidMask", value=value, width=["size", 0], height=["size", 1])
        painted["harmonize"]["inputs"]["importance"] = ["painted", 0]
        results.append(saved_picture(server, server.run(painted), "save"))
    assert (results[0] != results[1]).any()


def test_an_evaluator_chooses_the_strength(server, composite_name, mask_name, name, pixels):
    judged = graph(composite_name, mask_name, name, strength=1.5)
    add(judged, "judge", "LoadHarmonyEvaluator", name="embedded")
    judged["harmonize"]["inputs"]["evaluator"] = ["judge", 0]
    for key, image in (("before", "composite"), ("after", "harmonize")):
        add(judged, key, "HarmonyScore", evaluator=["judge", 0], image=[image, 0], mask=["mask", 0])
        add(judged, f"{key}_text", "PreviewAny", source=[key, 0])
    outputs = server.run(judged)
    (text,) = outputs["harmonize"]["text"]
    assert text.split(";")[0] in {f"strength {1.5 * share:g}" for share in (0, 0.25, 0.5, 0.75, 1)}
    before, after = (float(outputs[f"{key}_text"]["text"][0]) for key in ("before", "after"))
    assert after >= before
    unchanged = (saved_picture(server, outputs, "save") == pixels[0]).all()
    assert unchanged == text.startswith("strength 0;")


def test_a_batch_gives_what_its_pictures_give(server, composite_name, mask_name, name):
    pair = graph(composite_name, mask_name, name)
    add(pair, "inverted", "ImageInvert", image=["composite", 0])
    add(pair, "batch", "ImageBatch", image1=["composite", 0], image2=["inverted", 0])
    results = {}
    for key in ("composite", "inverted", "batch"):
        pair["harmonize"]["inputs"]["image"] = [key, 0]
        results[key] = server.run(pair)
    assert results["batch"]["harmonize"]["text"] == ["strength 1\nstrength 1"]
    for index, key in enumerate(("composite", "inverted")):
        alone = saved_picture(server, results[key], "save")
        assert (saved_picture(server, results["batch"], "save", index) == alone).all()


def test_the_embedded_one_comes_first(server, models):
    options = server.object_info()["LoadRoutedHarmonizer"]["input"]["required"]["name"][1]["options"]
    assert options == [EMBEDDED, "lively.safetensors", "other.safetensors"]


def test_a_file_of_something_else(server, models, composite_name, mask_name):
    message = refusal(server, graph(composite_name, mask_name, "other.safetensors"))
    assert message.startswith("LoadRoutedHarmonizer, input name: other.safetensors is no routed harmonizer")
    assert "\n" not in message.strip()


@pytest.mark.parametrize("parameter", ["mask", "importance"])
def test_planes_of_another_size(server, composite_name, mask_name, name, parameter):
    wrong = graph(composite_name, mask_name, name)
    add(wrong, "wrong", "SolidMask", value=1.0, width=60, height=50)
    wrong["harmonize"]["inputs"][parameter] = ["wrong", 0]
    assert refusal(server, wrong).startswith(f"RoutedHarmonize, input {parameter}: got 60x50")


@pytest.mark.parametrize(("value", "said"), [(0.0, "empty"), (1.0, "covers the whole picture")])
def test_masks_without_object_or_scene(server, composite_name, mask_name, name, value, said):
    wrong = graph(composite_name, mask_name, name)
    add(wrong, "size", "GetImageSize", image=["composite", 0])
    add(wrong, "wrong", "SolidMask", value=value, width=["size", 0], height=["size", 1])
    wrong["harmonize"]["inputs"]["mask"] = ["wrong", 0]
    message = refusal(server, wrong)
    assert message.startswith("RoutedHarmonize, input mask: ") and said in message
