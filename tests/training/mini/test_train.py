import csv
import math

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from diff_harmonization.mini.loader import load_clip, load_unet
from diff_harmonization.training.mini import train


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


@pytest.fixture(scope="module")
def work(photos, tmp_path_factory):
    """Two steps in one go, and two steps with an interruption after the first."""
    whole, halves = (tmp_path_factory.mktemp(name) for name in ("whole", "halves"))
    options = {"steps": 2, "batch": 2, "per_photo": 2}
    train.main(photos, whole, **options)
    train.main(photos, halves, **options, minutes=0)
    assert state(halves)["step"] == 1
    train.main(photos, halves, **options)
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
    first = train.Network(len(train.Vocabulary().token_ids)).state_dict()
    trained = state(work[0])["network"]
    assert trained.keys() == first.keys()
    for part in ("text.", "unet.input_blocks", "unet.middle_block", "unet.out."):
        assert any(name.startswith(part) for name in trained), part
    # the last layers start at zero and learn first
    assert trained["unet.out.2.weight"].norm() > 0
    assert all(value.isfinite().all() for value in trained.values())


def test_the_exported_weights_load_into_the_host(work):
    weights = load_file(work[0] / "mini.safetensors")
    average = state(work[0])["average"]
    assert weights["token_ids"].tolist() == train.Vocabulary().token_ids
    model, clip = load_unet(weights), load_clip(weights)
    name = "input_blocks.0.0.weight"
    assert torch.allclose(model.model.diffusion_model.state_dict()[name], average[f"unet.{name}"], atol=1e-3)
    with torch.inference_mode():
        assert clip.encode_from_tokens(clip.tokenize("tree bright")).isfinite().all()


def test_a_finished_run_is_left_as_it_is(photos, work, tmp_path):
    before = (work[0] / "checkpoint.pt").read_bytes()
    train.main(photos, work[0], steps=2, batch=2, per_photo=2)
    assert (work[0] / "checkpoint.pt").read_bytes() == before


def test_training_goes_on_from_exported_weights(photos, work, tmp_path):
    exported = work[0] / "mini.safetensors"
    train.main(photos, tmp_path, steps=1, batch=2, per_photo=2, learning_rate=0.0, initial=exported)
    again, before = load_file(tmp_path / "mini.safetensors"), load_file(exported)
    assert all(torch.equal(again[name], before[name]) for name in before)


def test_encoding_pads_to_the_window_and_refuses_nothing_known():
    vocabulary = train.Vocabulary()
    rows = vocabulary.encode(["tree bright summer", ""])
    assert rows.shape == (2, 77)
    assert (rows < len(vocabulary.token_ids)).all()
    assert [vocabulary.token_ids[row] for row in rows[0].tolist()] == vocabulary.ids("tree bright summer")


def test_the_loss_is_that_of_the_preconditioned_target():
    """An untrained network answers zero, so its loss is the target's own mean square: about 1 at any noise level."""
    torch.manual_seed(0)
    network = train.Network(10)
    images = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    masks = torch.rand(4, 1, 64, 64, generator=torch.Generator().manual_seed(2)).round()
    rows = torch.zeros(4, 77, dtype=torch.long)
    with torch.no_grad():
        assert network.unet.inner(images, torch.zeros(4), network.context(rows)).abs().max() == 0
        loss = network.loss(images, masks, rows, torch.Generator().manual_seed(1))
        again = network.loss(images, masks, rows, torch.Generator().manual_seed(1))
    assert loss == again
    assert 0.8 < loss < 1.5


def test_an_error_on_the_object_counts_more():
    """With all of the object's pixels right, what is left of the loss is a smaller share than its area."""
    torch.manual_seed(0)
    network = train.Network(10)
    masks = torch.zeros(2, 1, 64, 64)
    masks[..., :32] = 1
    rows, images = torch.zeros(2, 77, dtype=torch.long), torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        everywhere = network.loss(images, torch.ones_like(masks), rows, torch.Generator().manual_seed(1))
        assert everywhere == pytest.approx(
            network.loss(images, torch.zeros_like(masks), rows, torch.Generator().manual_seed(1)).item()
        )
        left = network.loss(images, masks, rows, torch.Generator().manual_seed(1))
        right = network.loss(images, 1 - masks, rows, torch.Generator().manual_seed(1))
    # The two weighted means of the halves' own losses average to the whole's: weights 3 and 1 swap their places.
    assert (left + right) / 2 == pytest.approx(everywhere.item(), rel=1e-5)
    assert left != right


def test_the_schedule_warms_up_and_falls_to_a_hundredth():
    rates = [train.cosine_schedule(step, 1000, warmup=100) for step in range(1001)]
    assert rates[0] == pytest.approx(0.01)
    assert rates[99] == rates[100] == 1
    assert all(a < b for a, b in zip(rates[:99], rates[1:100], strict=True))
    assert all(a > b for a, b in zip(rates[100:-1], rates[101:], strict=True))
    assert math.isclose(rates[-1], 0.01)
