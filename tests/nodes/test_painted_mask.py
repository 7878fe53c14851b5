"""The mask that users paint on their picture in the host's editor, as the editor stores it: in the file's alpha."""

import numpy as np
import pytest
import torch
from graphs import add, refusal, routed_graph, saved_picture
from PIL import Image
from torch.nn.functional import max_pool2d


@pytest.fixture(scope="module")
def pixels(example):
    with Image.open(example[0]) as composite:
        return np.asarray(composite)


@pytest.fixture(scope="module")
def stroke(pixels):
    """What is painted: a box that is not the shipped mask."""
    region = np.zeros(pixels.shape[:2], bool)
    region[90:200, 60:210] = True
    return region


@pytest.fixture(scope="module")
def names(server, pixels, stroke, tmp_path_factory):
    """The picture as the editor stores it, and the stroke as a file of its own."""
    folder = tmp_path_factory.mktemp("painted")
    alpha = np.where(stroke, 0, 255).astype(np.uint8)
    Image.fromarray(np.dstack((pixels, alpha))).save(folder / "clipspace-painted-masked.png")
    Image.fromarray(np.where(stroke, 255, 0).astype(np.uint8)).convert("RGB").save(folder / "stroke.png")
    return [server.upload(folder / name) for name in ("clipspace-painted-masked.png", "stroke.png")]


def with_choice(composite, file):
    """The routed network behind the box that chooses between the painted mask and a file's."""
    graph = routed_graph(composite, file)
    add(graph, "object", "ObjectMask", image=["composite", 0], painted=["composite", 1], file=["mask", 0])
    graph["apply"]["inputs"]["mask"] = ["object", 0]
    return graph


def test_the_painted_mask_counts_though_a_file_is_there(server, composite_name, mask_name, names, pixels, stroke):
    painted, file = names
    outputs = server.run(with_choice(painted, mask_name))
    assert outputs["object"]["text"] == ["The mask is the one that is painted on the picture."]
    result = saved_picture(server, outputs, "save")
    expected = saved_picture(server, server.run(routed_graph(composite_name, file)), "save")
    assert (result == expected).all() and (result[~stroke] == pixels[~stroke]).all()
    assert (result[stroke] != pixels[stroke]).any(-1).mean() > 0.5


def test_the_paint_is_brought_to_the_objects_edge(server, server_base, example, mask_name, tmp_path):
    """A mask painted too wide by a twentieth of the object's size."""
    with Image.open(example[0]) as composite, Image.open(example[1]) as mask:
        pixels, inside = np.asarray(composite.convert("RGB")), np.asarray(mask.convert("L")) > 127
    reach = round(0.05 * np.sqrt(inside.sum()))
    painted = max_pool2d(torch.from_numpy(inside[None].astype(np.float32)), 2 * reach + 1, 1, reach)[0].numpy() > 0
    Image.fromarray(np.dstack((pixels, np.where(painted, 0, 255).astype(np.uint8)))).save(tmp_path / "wide.png")
    graph = with_choice(server.upload(tmp_path / "wide.png"), mask_name)
    graph["object"]["inputs"]["snap"] = True
    add(graph, "picture", "MaskToImage", mask=["object", 0])
    outputs = server.run(add(graph, "seen", "SaveImage", images=["picture", 0], filename_prefix="tests/snapped"))
    told = "The mask is the one that is painted on the picture, brought to the object's edge."
    assert outputs["object"]["text"][0] == told
    found = saved_picture(server, outputs, "seen")[..., 0] > 127
    before, after = ((inside & each).sum() / (inside | each).sum() for each in (painted, found))
    assert after > before + 0.02


def test_a_file_counts_where_nothing_is_painted(server, composite_name, mask_name, names):
    _, file = names
    outputs = server.run(with_choice(composite_name, file))
    assert outputs["object"]["text"] == ["The mask is the one of the file."]
    expected = saved_picture(server, server.run(routed_graph(composite_name, file)), "save")
    assert (saved_picture(server, outputs, "save") == expected).all()


def test_without_either_the_box_says_how_to_paint(server, composite_name, mask_name):
    graph = with_choice(composite_name, mask_name)
    del graph["object"]["inputs"]["file"]
    message = refusal(server, graph)
    assert message.startswith("ObjectMask, input painted: there is no mask") and "Open in Mask Editor" in message
