"""The workflows for particular tasks, as they are shipped."""

import numpy as np
import pytest
from graphs import rising_scores, saved_picture, shipped, shorten
from PIL import Image


@pytest.fixture(scope="module")
def pixels(example):
    with Image.open(example[0]) as composite, Image.open(example[1]) as mask:
        return np.asarray(composite), np.asarray(mask.convert("L"))


@pytest.fixture(scope="module")
def halves(server, pixels, tmp_path_factory):
    """The object's left and right half: files on the server, and planes."""
    folder, (_, mask), found = tmp_path_factory.mktemp("halves"), pixels, []
    middle = int(np.median(mask.nonzero()[1]))
    for name, part in (("left", np.s_[:, :middle]), ("right", np.s_[:, middle:])):
        plane = np.zeros_like(mask)
        plane[part] = mask[part]
        Image.fromarray(plane).convert("RGB").save(folder / f"{name}.png")
        found.append((server.upload(folder / f"{name}.png", f"half_{name}.png"), plane))
    return found


def with_files(name, composite, halves=(), **files):
    graph = shipped(name)
    graph["composite"]["inputs"]["image"] = composite
    for node, file in files.items():
        graph[node]["inputs"]["image"] = file
    for node, (file, _) in zip(("1", "2"), halves, strict=False):
        (key,) = (key for key in graph if key in (f"object{node}", f"region{node}"))
        graph[key]["inputs"]["image"] = file
    return graph


def changed_pixels(result, pixels):
    """Where the result differs from the composite; outside the mask it must not."""
    composite, mask = pixels
    assert result.shape == composite.shape
    assert (result[mask == 0] == composite[mask == 0]).all()
    return (result != composite).any(-1)


def test_instances_go_through_the_loop_one_by_one(server, composite_name, halves, pixels):
    """Where no pass beats the composite, an object stays as it is; what must hold is the rest."""
    graph = with_files("instances", composite_name, halves)
    graph["apply"]["inputs"] |= {"steps": 4, "steps_per_timestep": 0, "max_passes": 1}
    outputs = server.run(graph)
    changed_pixels(saved_picture(server, outputs, "save"), pixels)
    assert len(outputs["save_lut"]["cube"]) == 2
    first, second = outputs["apply"]["text"]
    assert "pass 1" in first and "person & (foreground)" in first and "object & (foreground)" in second


def two_passes(composite, mask, halves):
    graph = shorten(with_files("regions", composite, halves, mask=mask), steps=4, per_timestep=0)
    graph["end"]["inputs"] |= {"k": 1, "max_passes": 2}
    return rising_scores(graph)


def test_regions_have_a_cube_each(server, composite_name, mask_name, halves, pixels):
    outputs = server.run(two_passes(composite_name, mask_name, halves))
    changed = changed_pixels(saved_picture(server, outputs, "save"), pixels)
    assert all(changed[plane == 255].mean() > 0.5 for _, plane in halves)
    assert len(outputs["save_lut"]["cube"]) == 3


def test_regions_have_luts_of_their_own_between_passes(server, composite_name, mask_name, halves):
    """One LUT in each pass makes other passes, from the same composite."""
    graph = two_passes(composite_name, mask_name, halves)
    local = server.run(graph)
    for node in ("fit_pass", "apply_pass"):
        del graph[node]["inputs"]["regions"]
    alone = server.run(graph)
    start, *moved = (
        np.abs(saved_picture(server, local, "save_passes", n) - saved_picture(server, alone, "save_passes", n) * 1.0)
        for n in range(3)
    )
    assert start.max() == 0 and all(difference.max() > 2 for difference in moved)


def test_painterly_pastes_the_edit_itself(server, composite_name, mask_name, pixels):
    """On the embedded model, which has no paintings in it but every socket."""
    graph = with_files("painterly", composite_name, mask=mask_name)
    graph["model"] = {"class_type": "LoadMiniHarmonyModel", "inputs": {}}
    graph = shorten(graph, steps=4, per_timestep=0)
    graph["view"]["inputs"]["size"] = 64
    edit = graph["edit"]["inputs"]
    assert 0 < edit["self_start"] < edit["self_end"] == 1 and "null_text" not in edit
    changed = changed_pixels(saved_picture(server, server.run(graph), "save"), pixels)
    assert changed[pixels[1] == 255].mean() > 0.5
