"""Regions through the real host: cut to the view, fitted, saved and applied."""

import numpy as np
import pytest
import torch
from cubes import read_cube
from graphs import add, edit_graph, saved_picture
from PIL import Image

from diff_harmonization.color import ColorLUT, apply_lut
from diff_harmonization.nodes.color_lut import ApplyColorLUT, FitColorLUT
from diff_harmonization.nodes.working_view import WorkingView


@pytest.fixture(scope="module")
def halves(server, example, tmp_path_factory):
    """The object's left and right half, as two files on the server and two planes [2,H,W]."""
    with Image.open(example[1]) as picture:
        mask = np.asarray(picture.convert("L")).copy()
    middle = int(np.median(mask.nonzero()[1]))
    planes = np.stack([mask, mask])
    planes[0, :, middle:], planes[1, :, :middle] = 0, 0
    folder, names = tmp_path_factory.mktemp("regions"), []
    for name, plane in zip(("left", "right"), planes, strict=True):
        Image.fromarray(plane).convert("RGB").save(folder / f"{name}.png")
        names.append(server.upload(folder / f"{name}.png", f"{name}.png"))
    return names, torch.from_numpy(planes).float() / 255


def with_regions(composite, mask, names):
    graph = edit_graph(composite, mask)
    del graph["save"]
    for number, name in enumerate(names):
        add(graph, f"region{number}", "LoadImageMask", image=name, channel="red")
    add(graph, "regions", "BatchMasksNode", **{f"masks.mask{n}": [f"region{n}", 0] for n in range(len(names))})
    graph["view"]["inputs"]["regions"] = ["regions", 0]
    add(graph, "decode", "VAEDecode", samples=["edit", 0], vae=["model", 2])
    weights = {"size": 17, "smoothness": 1e-4, "identity_weight": 1e-3}
    add(graph, "fit", "FitColorLUT", before=["view", 0], after=["decode", 0], mask=["view", 1], regions=["view", 2])
    graph["fit"]["inputs"] |= weights
    add(graph, "cubes", "SaveColorLUT", lut=["fit", 0], filename_prefix="tests/regions")
    settings = {"amount": 1.0, "feather": 2, "region_feather": 6, "interpolation": "trilinear"}
    links = {"image": ["composite", 0], "lut": ["fit", 0], "mask": ["mask", 0], "regions": ["regions", 0]}
    add(graph, "apply", "ApplyColorLUT", **links, **settings)
    return add(graph, "save", "SaveImage", images=["apply", 0], filename_prefix="tests/regions")


def test_each_region_has_its_cube_and_the_picture_is_theirs(
    server, composite_name, mask_name, halves, example, tmp_path
):
    names, regions = halves
    outputs = server.run(with_regions(composite_name, mask_name, names))
    cubes = []
    for file in outputs["cubes"]["cube"]:
        (tmp_path / file["filename"]).write_bytes(server.view(file))
        cubes.append(read_cube(tmp_path / file["filename"]))
    assert [file["filename"][-12:] for file in outputs["cubes"]["cube"][1:]] == ["region1.cube", "region2.cube"]
    assert (cubes[1].table - cubes[2].table).abs().max() > 1e-2
    with Image.open(example[0]) as composite, Image.open(example[1]) as mask:
        pixels, plane = np.asarray(composite), np.asarray(mask.convert("L"))
    image, mask = (torch.from_numpy(x.copy()).float()[None] / 255 for x in (pixels, plane))
    lut = ColorLUT(cubes[0].table, regions=(cubes[1], cubes[2]))
    expected = 255 * apply_lut(image, lut, mask, feather=2, regions=regions, region_feather=6)[0].numpy()
    result = saved_picture(server, outputs, "save")
    assert np.abs(result - expected).max() <= 1.001
    assert (result[plane == 0] == pixels[plane == 0]).all() and (result != pixels).any()


FIT = {"size": 5, "smoothness": 1e-4, "identity_weight": 1e-3}


@pytest.fixture
def pictures():
    """Before and after [1,16,16,3], and two parts of the object [2,16,16]."""
    before = torch.rand(1, 16, 16, 3, generator=torch.Generator().manual_seed(0))
    parts = torch.zeros(2, 16, 16)
    parts[0, 4:12, 2:8], parts[1, 4:12, 8:14] = 1, 1
    return before, before * torch.tensor([0.9, 0.8, 0.7]), parts


def test_regions_of_the_whole_picture_do_not_fit_the_view(pictures):
    before, after, _ = pictures
    with pytest.raises(ValueError, match="^FitColorLUT, input regions: .*64x64.*16x16.*working view"):
        FitColorLUT.execute(before, after, **FIT, regions=torch.ones(2, 64, 64))


def test_a_lut_with_regions_wants_them(pictures):
    before, after, parts = pictures
    (lut,) = FitColorLUT.execute(before, after, **FIT, mask=parts.amax(0, keepdim=True), regions=parts).args
    with pytest.raises(ValueError, match="^ApplyColorLUT.*LUTs for 2 regions, and there are 0 masks"):
        ApplyColorLUT.execute(before, lut, amount=1.0, feather=0, interpolation="trilinear")


def test_an_empty_region_is_refused(pictures):
    image, _, parts = pictures
    regions = torch.stack([parts[0], torch.zeros(16, 16)])
    with pytest.raises(ValueError, match="^WorkingView, input regions: mask 2 of 2 is empty"):
        WorkingView.execute(image, parts.amax(0, keepdim=True), size=16, mode="crop", regions=regions)
