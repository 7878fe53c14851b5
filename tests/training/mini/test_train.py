import csv

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from diff_harmonization.mini.loader import load_clip, load_unet
from diff_harmonization.training.mini import train
from diff_harmonization.training.mini.network import Network, Vocabulary
from diff_harmonization.training.settings import MiniSettings


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Three small photographs of colored noise with a box as object, in the photo set's layout."""
    folder = tmp_path_factory.mktemp("photos")
    dice = np.random.default_rng(0)
    mask = np.zeros((72, 80), np.uint8)
    mask[20:50, 24:60] = 255
    for kind in ("images", "masks"):
        (folder / kind).mkdir()
    names = ["tree", "car", "zeppelin"]
    for index in range(3):
        Image.fromarray(dice.integers(0, 256, (72, 80, 3), np.uint8)).save(folder / "images" / f"t{index}.jpg")
        Image.fromarray(mask).save(folder / "masks" / f"t{index}.png")
    with (folder / "index.csv").open("w", newline="") as file:
        rows = [[f"t{index}", "natural", name] for index, name in enumerate(names)]
        csv.writer(file).writerows([["id", "kind", "object"], *rows])
    return folder


def run(photos, work, **changes):
    train.train(photos, work, MiniSettings(**{"steps": 3, "batch": 2, "per_photo": 2} | changes))


@pytest.fixture(scope="module")
def work(photos, tmp_path_factory):
    """Three steps in one go, and three steps with an interruption after the first."""
    whole, halves = (tmp_path_factory.mktemp(name) for name in ("whole", "halves"))
    run(photos, whole)
    run(photos, halves, minutes=0)
    assert state(halves)["step"] == 1
    run(photos, halves)
    return whole, halves


def state(work):
    return torch.load(work / "checkpoint.pt", weights_only=True)


def flat(value, path=""):
    """(path, tensor or number) of everything in a nested state."""
    if isinstance(value, (dict, list, tuple)):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return {k: v for key, item in items for k, v in flat(item, f"{path}/{key}").items()}
    return {path: value}


def test_a_resumed_run_ends_in_the_state_of_an_uninterrupted_one(work):
    whole, halves = (flat(state(folder)) for folder in work)
    assert whole.keys() == halves.keys()
    for name, value in whole.items():
        same = torch.equal(value, halves[name]) if isinstance(value, torch.Tensor) else value == halves[name]
        assert same, name


def test_steps_change_every_kind_of_weight(work):
    """Weight decay alone would change the weights too, so a gradient must have come to each of them.

    The last layer of every branch starts at zero: what lies behind it gets its first gradient two steps later.
    """
    torch.manual_seed(0)
    network, checkpoint = Network(len(Vocabulary().token_ids)), state(work[0])
    first, trained = network.state_dict(), checkpoint["network"]
    assert trained.keys() == first.keys()
    moments = checkpoint["optimizer"]["state"]
    parts = {"text.", "unet.time_embed", "unet.input_blocks", "unet.middle_block", "unet.output_blocks", "unet.out."}
    for index, (name, _) in enumerate(network.named_parameters()):
        assert not torch.equal(trained[name], first[name]), name
        assert trained[name].isfinite().all(), name
        assert moments[index]["exp_avg_sq"].max() > 0, name
        parts -= {part for part in parts if name.startswith(part)}
    assert parts == set()


def test_the_exported_weights_load_into_the_host(work):
    weights = load_file(work[0] / "mini.safetensors")
    average = state(work[0])["average"]
    assert weights["token_ids"].tolist() == Vocabulary().token_ids
    model, clip = load_unet(weights), load_clip(weights)
    name = "input_blocks.0.0.weight"
    assert torch.allclose(model.model.diffusion_model.state_dict()[name], average[f"unet.{name}"], atol=1e-3)
    with torch.inference_mode():
        assert clip.encode_from_tokens(clip.tokenize("tree bright")).isfinite().all()


def test_a_finished_run_is_left_as_it_is(photos, work, tmp_path):
    before = (work[0] / "checkpoint.pt").read_bytes()
    run(photos, work[0])
    assert (work[0] / "checkpoint.pt").read_bytes() == before


def test_training_goes_on_from_exported_weights(photos, work, tmp_path):
    exported = work[0] / "mini.safetensors"
    run(photos, tmp_path, steps=1, learning_rate=0.0, initial=exported)
    again, before = load_file(tmp_path / "mini.safetensors"), load_file(exported)
    assert all(torch.equal(again[name], before[name]) for name in before)


def test_weights_of_other_words_are_refused(photos, work, tmp_path):
    weights = load_file(work[0] / "mini.safetensors")
    save_file(weights | {"token_ids": weights["token_ids"] + 1}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="other.safetensors was trained on other words"):
        run(photos, tmp_path, initial=tmp_path / "other.safetensors")
