"""Find Instances and Instance Similarity on the real server; the models are tiny ones with random weights."""

import json
import logging

import numpy as np
import pytest
import torch
from graphs import add, refusal, saved_picture
from PIL import Image
from vision_models import write_edgetam

from diff_harmonization.nodes.instances import FindInstances, InstanceSimilarity

EMPTY = torch.zeros(1, 64, 64)


@pytest.fixture(scope="module")
def models(server, server_base):
    """Model folders where the host looks for them, beside another pack's file."""
    folder = server_base / "models" / "sams"
    write_edgetam(folder / "tiny sam")
    (folder / "unknown").mkdir()
    (folder / "unknown" / "config.json").write_text(json.dumps({"model_type": "zeppelin"}))
    (folder / "sam_vit_b.pth").write_bytes(b"")
    return folder


@pytest.fixture
def graph(composite_name, mask_name):
    """Instances by themselves, who of them looks like the object, and pictures of both."""
    graph = {}
    add(graph, "composite", "LoadImage", image=composite_name)
    add(graph, "mask", "LoadImageMask", image=mask_name, channel="red")
    add(graph, "find", "FindInstances", image=["composite", 0], mask=["mask", 0], source="embedded")
    add(graph, "similar", "InstanceSimilarity", instances=["find", 0], image=["composite", 0])
    add(graph, "map", "MaskToImage", mask=["similar", 0])
    for name, source in (("instances", ["find", 1]), ("map", ["map", 0]), ("heat", ["similar", 1])):
        add(graph, f"save_{name}", "SaveImage", images=source, filename_prefix=f"tests/{name}")
    return graph


def pictures(server, graph, index=0):
    outputs = server.run(graph)
    return [saved_picture(server, outputs, f"save_{name}", index) for name in ("instances", "map", "heat")]


def inside(example):
    """Where the mask surely is, and where it surely is not."""
    with Image.open(example[1]) as mask:
        values = np.asarray(mask.convert("L"))
    return values == 255, values == 0


def test_the_object_is_one_in_the_map_and_keeps_its_colors(server, graph, example):
    instances, importance, heat = pictures(server, graph)
    with Image.open(example[0]) as composite:
        image = np.asarray(composite)
    assert importance.shape == instances.shape == heat.shape == image.shape
    own, others = inside(example)
    assert np.median(importance[own]) == 255
    assert len(np.unique(importance[others])) > 3
    for shown in (instances, heat):
        same = (np.abs(shown.astype(int) - image) <= 1).all(-1)
        assert same[own].mean() > 0.9 and same[others].mean() < 0.1
    assert len(np.unique(instances[others], axis=0)) > 100


def test_a_run_repeats_bit_for_bit(server, graph, composite_copy):
    first = pictures(server, graph)
    graph["composite"]["inputs"]["image"] = composite_copy()  # the host has to compute it again
    assert all(map(np.array_equal, first, pictures(server, graph)))


def test_each_picture_of_a_batch_has_instances_of_its_own(server, graph):
    alone = pictures(server, graph)
    add(graph, "other", "ImageFlip", image=["composite", 0], flip_method="y-axis: horizontally")
    graph["find"]["inputs"]["image"] = graph["similar"]["inputs"]["image"] = ["both", 0]
    add(graph, "both", "ImageBatch", image1=["composite", 0], image2=["other", 0])
    first, second = (pictures(server, graph, index) for index in range(2))
    assert all(map(np.array_equal, first, alone))
    assert not np.array_equal(first[1], second[1])


def test_masks_of_other_nodes(server, graph, example):
    """A batch of two masks, as a segmenter gives it: the scene above, and below, but for a quarter in between."""
    with Image.open(example[0]) as composite:
        width, height = composite.size
    add(graph, "scene", "InvertMask", mask=["mask", 0])
    for name, top, rows in (("above", 0, height // 2), ("below", height * 3 // 4, height)):
        add(graph, f"{name}_none", "SolidMask", value=0.0, width=width, height=height)
        add(graph, f"{name}_rows", "SolidMask", value=1.0, width=width, height=rows)
        parts = {"destination": [f"{name}_none", 0], "source": [f"{name}_rows", 0]}
        add(graph, f"{name}_band", "MaskComposite", **parts, x=0, y=top, operation="add")
        parts = {"destination": ["scene", 0], "source": [f"{name}_band", 0]}
        add(graph, f"{name}_part", "MaskComposite", **parts, x=0, y=0, operation="multiply")
        add(graph, name, "MaskToImage", mask=[f"{name}_part", 0])
    add(graph, "images", "ImageBatch", image1=["above", 0], image2=["below", 0])
    add(graph, "masks", "ImageToMask", image=["images", 0], channel="red")
    graph["find"]["inputs"] |= {"source": "masks", "source.masks": ["masks", 0]}
    instances, importance, _ = pictures(server, graph)
    own, others = inside(example)
    between = np.zeros(others.shape, bool)
    between[height // 2 + 8 : height * 3 // 4 - 8] = True
    assert np.median(importance[between & others]) == 0
    assert np.median(instances[between & others].std(-1)) < 1  # gray
    assert np.median(instances[~between & others].std(-1)) > 20  # painted


def test_a_model_of_the_users(server, models, graph, composite_copy, example):
    with Image.open(example[0]) as composite:
        width, height = composite.size
    add(graph, "none", "SolidMask", value=0.0, width=width, height=height)
    add(graph, "corner", "SolidMask", value=1.0, width=40, height=40)  # where few of its random masks lie
    parts = {"destination": ["none", 0], "source": ["corner", 0]}
    add(graph, "box", "MaskComposite", **parts, x=0, y=0, operation="add")
    graph["find"]["inputs"]["mask"] = ["box", 0]
    graph["find"]["inputs"] |= {"source": "sam", "source.model": "tiny sam"}
    first = pictures(server, graph)
    graph["composite"]["inputs"]["image"] = composite_copy()
    assert all(map(np.array_equal, first, pictures(server, graph)))


def test_models_are_listed_when_they_arrive(server, models):
    spec = server.object_info("FindInstances")["FindInstances"]["input"]["required"]["source"][1]
    options = {option["key"]: option["inputs"]["required"] for option in spec["options"]}
    assert options["embedded"] == {} and list(options["masks"]) == ["masks"]
    assert options["sam"]["model"][1]["options"] == ["tiny sam", "unknown"]


def test_a_folder_of_something_else(server, models, graph):
    graph["find"]["inputs"] |= {"source": "sam", "source.model": "unknown"}
    message = refusal(server, graph).strip()
    assert message.startswith("FindInstances, input source.model: ") and "'zeppelin'" in message
    assert "\n" not in message


def test_an_image_of_another_shape(server, graph):
    add(graph, "square", "EmptyImage", width=64, height=64, batch_size=1, color=0)
    graph["similar"]["inputs"]["image"] = ["square", 0]
    message = refusal(server, graph)
    assert message.startswith("InstanceSimilarity, input instances: they are of a picture of another shape")


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"mask": EMPTY}, "^FindInstances, input mask: the mask is empty"),
        ({"mask": torch.ones(1, 64, 64)}, "^FindInstances, input mask: the mask covers the whole picture"),
        ({"mask": torch.ones(1, 9, 8)}, "^FindInstances, input mask: got 8x9 .*expected 64x64"),
        ({"source": {"source": "sam", "model": "gone"}}, "^FindInstances, input source.model: .* 'gone'"),
        (
            {"source": {"source": "masks", "masks": torch.zeros(1, 64, 64)}},
            "^FindInstances, input source.masks: mask 1",
        ),
        ({"source": {"source": "masks", "masks": torch.ones(1, 9, 8)}}, "^FindInstances, input source.masks: got 8x9"),
    ],
)
def test_a_refused_input_is_told_by_its_name(inputs, message):
    mask = torch.zeros(1, 64, 64)
    mask[:, 20:40, 20:40] = 1
    image = torch.rand(1, 64, 64, 3, generator=torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match=message):
        FindInstances.execute(**{"image": image, "mask": mask, "source": {"source": "embedded"}} | inputs)


def test_a_mask_of_nearly_everything_earns_one_hint(caplog):
    mask = torch.ones(1, 64, 64)
    mask[:, :, :2] = 0
    with caplog.at_level(logging.WARNING), torch.inference_mode():
        FindInstances.execute(torch.rand(1, 64, 64, 3), mask, {"source": "embedded"})
    assert caplog.text.count("inverted") == 1


def test_an_alpha_channel_is_left_aside():
    mask = torch.zeros(1, 64, 64)
    mask[:, 20:40, 20:40] = 1
    image = torch.rand(1, 64, 64, 4, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        found, shown = FindInstances.execute(image, mask, {"source": "embedded"}).args
        importance, heat = InstanceSimilarity.execute(found, image).args
    assert shown.shape == heat.shape == (1, 64, 64, 3) and importance.shape == (1, 64, 64)
