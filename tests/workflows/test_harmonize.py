"""The embedded model's workflow, from two pictures to the files it promises."""

import io
import re

import numpy as np
import pytest
import torch
from cubes import read_cube
from graphs import saved_picture, shipped, shorten
from PIL import Image

from diff_harmonization.color.apply import apply_lut


@pytest.fixture(scope="module")
def outputs(server, composite_name, mask_name):
    graph = shorten(shipped("harmonize"))
    graph["composite"]["inputs"]["image"], graph["mask"]["inputs"]["image"] = composite_name, mask_name
    graph["describe"]["inputs"]["object"] = "cat"
    return server.run(graph)


@pytest.fixture(scope="module")
def pixels(example):
    with Image.open(example[0]) as composite, Image.open(example[1]) as mask:
        return np.asarray(composite), np.asarray(mask.convert("L"))


def test_every_promised_file_is_saved(outputs):
    assert {"curve", "save_maps", "save_edit", "save_lut", "save", "save_side"} <= set(outputs)
    (lut,) = outputs["save_lut"]["cube"]
    assert re.fullmatch(r"lut_\d{5}_\.cube", lut["filename"])


def test_description_is_shown_in_its_form(outputs):
    first, *others = outputs["describe"]["text"][0].splitlines()
    assert first.startswith("> cat & (foreground) ") and others  # the one taken, and what else was found


def test_background_is_bit_identical_and_foreground_is_not(server, outputs, pixels):
    composite, mask = pixels
    result = saved_picture(server, outputs, "save")
    assert result.shape == composite.shape
    assert (result[mask == 0] == composite[mask == 0]).all()
    assert (result[mask == 255] != composite[mask == 255]).any(axis=1).mean() > 0.5


def test_edit_is_the_working_view(server, outputs):
    assert saved_picture(server, outputs, "save_edit").shape == (64, 64, 3)


def test_saved_lut_is_the_one_applied(server, outputs, pixels, tmp_path):
    """Read back and applied to the composite, the .cube gives the saved result."""
    (tmp_path / "lut.cube").write_bytes(server.view(outputs["save_lut"]["cube"][0]))
    lut = read_cube(tmp_path / "lut.cube")
    composite, mask = (torch.from_numpy(x.copy()).float()[None] / 255 for x in pixels)
    amount = shipped("harmonize")["apply"]["inputs"]["amount"]
    expected = 255 * apply_lut(composite, lut, mask, amount)[0].numpy()
    assert np.abs(saved_picture(server, outputs, "save") - expected).max() <= 1.001


def test_side_by_side_shows_both(server, outputs, pixels):
    side = saved_picture(server, outputs, "save_side")
    height, width = pixels[0].shape[:2]
    assert side.shape[1] / side.shape[0] == pytest.approx(2 * width / height, rel=0.05)


def test_previews_are_pictures(server, outputs):
    with Image.open(io.BytesIO(server.view(outputs["curve"]["images"][0]))) as curve:
        assert curve.size[0] > curve.size[1] > 100
    assert saved_picture(server, outputs, "save_maps").shape[1] > 1000
