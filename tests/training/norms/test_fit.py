import json

import pytest
import torch
from pairs import picture, write_index, write_picture

from diff_harmonization.data.photos import read_photos
from diff_harmonization.description.statistics.appearance import AXES, region_appearance
from diff_harmonization.description.statistics.norms import NORMS
from diff_harmonization.training.norms.fit import PRIOR, fit, fit_photos


@pytest.fixture
def measured():
    generator = torch.Generator().manual_seed(0)
    names = ["tree"] * 30 + ["car"] * 10 + ["horse"]
    scenes = torch.randn(41, 3, generator=generator) * torch.tensor([1.0, 5.0, 0.1]) + 7
    looks = (
        torch.randn(41, 5, generator=generator)
        + torch.tensor([{"t": 10.0, "c": -5.0, "h": 0.0}[n[0]] for n in names])[:, None]
    )
    return names, looks, scenes


def test_a_rare_objects_look_is_drawn_towards_the_average(measured):
    names, looks, _ = measured
    usual = {name: torch.tensor(look) for name, look in fit(*measured)["usual"].items()}
    means = torch.stack([looks[[n == name for n in names]].mean(0) for name in ("car", "horse", "tree")])
    average = means.mean(0)
    assert list(usual) == ["car", "horse", "tree", "object"]
    assert torch.allclose(usual["object"], average, atol=1e-4)
    for name, mean, count in zip(usual, means, (10, 1, 30), strict=False):
        assert torch.allclose(usual[name], (count * mean + PRIOR * average) / (count + PRIOR), atol=1e-4)


def test_the_scene_explains_what_it_causes(measured):
    names, looks, scenes = measured
    looks = looks.clone()
    looks[:, 0] += 4 * (scenes[:, 1] - 7)
    norms = fit(names, looks, scenes)
    weights, center = torch.tensor(norms["scene_weights"]), torch.tensor(norms["scene_mean"])
    predicted = ((scenes - center) @ weights)[:, 0] * norms["scale"][0]
    left = looks[:, 0] - torch.tensor([norms["usual"][name][0] for name in names])
    assert torch.corrcoef(torch.stack((predicted, left)))[0, 1] > 0.9


def test_photos_give_norms_as_the_pack_ships_them(write_set, tmp_path):
    output = tmp_path / "norms.json"
    folder = write_set(["n1", "n2", "n3"], ["c1"])
    fit_photos(folder, output)
    norms, shipped = (json.loads(path.read_text()) for path in (output, NORMS))
    assert norms.keys() == shipped.keys()
    assert len(norms["usual"]["tree"]) == len(norms["scale"]) == len(AXES)
    photos = read_photos(folder, "train")
    looks = torch.stack([region_appearance(photo.image(), (photo.mask() > 0.5).float()) for photo in photos[:3]])
    # the average that they are drawn towards is their own, since there is no other kind; the composite counts for none
    assert torch.allclose(torch.tensor(norms["usual"]["tree"]), looks.mean(0), atol=1e-4)


def test_composites_are_not_learned_from(tmp_path):
    image, mask = picture(0)
    write_picture(tmp_path / "images" / "c.jpg", image)
    write_picture(tmp_path / "masks" / "c.png", mask)
    write_index(tmp_path / "index.csv", ["id", "kind", "object"], [["c", "composite", "tree"]])
    with pytest.raises(ValueError, match="no natural photo to learn from"):
        fit_photos(tmp_path, tmp_path / "norms.json")
    assert not (tmp_path / "norms.json").exists()
