"""The SD2 and SDXL workflows as they are shipped, on checkpoints that the host takes for SD2, SD1 and SDXL.

The weights are noise: this shows that loader, text encoders, VAE and UNet of that family go through every stage.
"""

import numpy as np
import pytest
from checkpoints import write_sd1, write_sd2, write_sdxl
from graphs import saved_picture, shipped, shorten
from PIL import Image

# Gradients through SD2's and SDXL's text encoders would take gigabytes more; those of tiny ones are tested elsewhere.
KINDS = {
    "sd2": ("harmonize_sd2", write_sd2, 0),
    "sd1": ("harmonize_sd2", write_sd1, 1),
    "sdxl": ("harmonize_sdxl", write_sdxl, 0),
}


@pytest.fixture(scope="module", params=KINDS)
def outputs(request, server, server_base, composite_name, mask_name):
    workflow, write, per_timestep = KINDS[request.param]
    checkpoint = write(server_base / "models" / "checkpoints" / f"tiny-{request.param}.ckpt")
    graph = shorten(shipped(workflow), steps=2, per_timestep=per_timestep)
    graph["composite"]["inputs"]["image"], graph["mask"]["inputs"]["image"] = composite_name, mask_name
    graph["model"]["inputs"]["ckpt_name"] = checkpoint.name
    graph["view"]["inputs"]["size"] = 64
    yield server.run(graph)
    checkpoint.unlink()
    server.free()


def test_every_stage_runs(server, outputs):
    assert {"curve", "save_maps", "save_edit", "save_lut", "save", "save_side"} <= set(outputs)
    assert saved_picture(server, outputs, "save_edit").shape == (64, 64, 3)


def test_the_loop_in_one_box_on_sdxl(server, server_base, composite_name, mask_name):
    checkpoint = write_sdxl(server_base / "models" / "checkpoints" / "tiny-sdxl-loop.ckpt")
    graph = shipped("harmonize_one_node")
    graph["composite"]["inputs"]["image"], graph["mask"]["inputs"]["image"] = composite_name, mask_name
    graph["model"] = {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": checkpoint.name}}
    few = {"size": 64, "view_size": 64, "steps": 1, "steps_per_timestep": 0, "k": 1, "max_passes": 2}
    graph["apply"]["inputs"] |= few | {"paper_loop": True}
    lines = server.run(graph)["apply"]["text"]
    checkpoint.unlink()
    server.free()
    assert sum(line.startswith("pass") for line in "\n".join(lines).splitlines()) >= 2, lines


def test_background_is_bit_identical_and_foreground_is_not(server, outputs, example):
    with Image.open(example[0]) as composite, Image.open(example[1]) as mask:
        composite, mask = np.asarray(composite), np.asarray(mask.convert("L"))
    result = saved_picture(server, outputs, "save")
    assert (result[mask == 0] == composite[mask == 0]).all()
    assert (result[mask == 255] != composite[mask == 255]).any()
