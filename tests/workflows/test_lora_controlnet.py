"""The workflow that mixes a LoRA and a ControlNet in, on narrow files of random weights of SD1's kind."""

import numpy as np
import pytest
from checkpoints import write_controlnet, write_lora, write_sd1
from graphs import saved_picture, shipped, shorten
from PIL import Image


@pytest.fixture(scope="module")
def run(server, server_base, composite_name, mask_name):
    """Runs it with other strengths of the two."""
    models = server_base / "models"
    graph = shorten(shipped("harmonize_sd15_lora_controlnet"), steps=2)
    written = {
        "ckpt_name": write_sd1(models / "checkpoints" / "mixed.ckpt"),
        "lora_name": write_lora(models / "loras" / "mixed.pt"),
        "control_net_name": write_controlnet(models / "controlnet" / "mixed.pth"),
    }
    for key, name in (("model", "ckpt_name"), ("lora", "lora_name"), ("control", "control_net_name")):
        graph[key]["inputs"][name] = written[name].name
    graph["composite"]["inputs"]["image"], graph["mask"]["inputs"]["image"] = composite_name, mask_name
    graph["view"]["inputs"]["size"] = 64

    def run(lora=1.0, control=1.0):
        graph["lora"]["inputs"] |= {"strength_model": lora, "strength_clip": lora}
        graph["shape"]["inputs"]["strength"] = control
        return server.run(graph)

    yield run
    for path in written.values():
        path.unlink()
    server.free()


def test_every_stage_runs_and_only_the_object_changes(server, run, example):
    outputs = run()
    assert {"curve", "save_edit", "save_lut", "save", "save_side"} <= set(outputs)
    with Image.open(example[0]) as composite, Image.open(example[1]) as mask:
        composite, mask = np.asarray(composite), np.asarray(mask.convert("L"))
    result = saved_picture(server, outputs, "save")
    assert (result[mask == 0] == composite[mask == 0]).all()
    assert (result[mask == 255] != composite[mask == 255]).any()


def test_both_shape_the_edit(server, run):
    mixed, plain, no_lora, no_control = (
        saved_picture(server, run(*strengths), "save_edit") for strengths in ((1, 1), (0, 0), (0, 1), (1, 0))
    )
    for one, other in ((mixed, no_lora), (mixed, no_control), (plain, no_lora), (plain, no_control)):
        assert (one != other).any()
