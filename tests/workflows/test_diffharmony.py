"""DiffHarmony's workflows as they are shipped.

Those for the released weights run on narrow files of random weights under the names that they ask for.
"""

import re

import numpy as np
import pytest
from checkpoints import write_inpainting_unet, write_sd1
from graphs import saved_picture, shipped
from harmony_vaes import write_released
from PIL import Image

from diff_harmonization.host.diffharmony.vae import FOLDER


@pytest.fixture
def run(server, server_base, composite_name, mask_name):
    """Runs a shipped workflow with its files in place and at a small size."""
    models, written = server_base / "models", []

    def run(name, node, **changes):
        graph = shipped(name)
        graph["sd15"]["inputs"]["ckpt_name"] = "tiny-sd15.ckpt"  # which the tests' writer can keep small
        written.extend(
            (
                write_inpainting_unet(models / "diffusion_models" / graph["unet"]["inputs"]["unet_name"]),
                write_sd1(models / "checkpoints" / "tiny-sd15.ckpt"),
                write_released(models / FOLDER / graph["details"]["inputs"]["name"]),
            )
        )
        graph["composite"]["inputs"]["image"], graph["mask"]["inputs"]["image"] = composite_name, mask_name
        graph[node]["inputs"] |= {"size": 64} | changes
        return server.run(graph)

    yield run
    for path in written:
        path.unlink()
    server.free()


@pytest.fixture(scope="module")
def pixels(example):
    with Image.open(example[0]) as composite, Image.open(example[1]) as mask:
        return np.asarray(composite), np.asarray(mask.convert("L"))


@pytest.fixture
def embedded(server, composite_name, mask_name):
    """Runs a shipped workflow with the embedded networks."""

    def run(name, node, **changes):
        graph = shipped(name)
        graph["composite"]["inputs"]["image"], graph["mask"]["inputs"]["image"] = composite_name, mask_name
        graph[node]["inputs"] |= changes
        return server.run(graph)

    yield run
    server.free()


def test_the_embedded_model_harmonizes(server, embedded, pixels):
    outputs, (composite, mask) = embedded("diffharmony", "apply"), pixels
    result = saved_picture(server, outputs, "save")
    assert (result[mask == 0] == composite[mask == 0]).all()
    assert re.match(r"seed [0-3](, \d)*; \d+% of the change; scores by how much", outputs["apply"]["text"][0])


def test_the_embedded_model_makes_composites(server, embedded, pixels):
    outputs, (picture, mask) = embedded("inverse_harmonization", "make", candidates=3), pixels
    made = [saved_picture(server, outputs, "save", index) for index in range(3)]
    assert len(outputs["save"]["images"]) == 3 and len({each.tobytes() for each in made}) == 3
    assert all((each[mask == 0] == picture[mask == 0]).all() for each in made)


def test_a_composite_is_harmonized(server, run, pixels):
    outputs, (composite, mask) = run("diffharmony_released", "apply"), pixels
    result = saved_picture(server, outputs, "save")
    assert (result[mask == 0] == composite[mask == 0]).all()
    assert (result[mask == 255] != composite[mask == 255]).any(-1).mean() > 0.5
    assert outputs["apply"]["text"] == ["seed 0"]
    assert saved_picture(server, outputs, "save_side").shape[1] > 1.9 * result.shape[1]


def test_composites_are_made_of_a_picture(server, run, pixels):
    outputs, (picture, mask) = run("inverse_harmonization_released", "make", candidates=2), pixels
    made = [saved_picture(server, outputs, "save", index) for index in range(2)]
    assert len(outputs["save"]["images"]) == 2 and (made[0] != made[1]).any()
    assert all((each[mask == 0] == picture[mask == 0]).all() for each in made)
