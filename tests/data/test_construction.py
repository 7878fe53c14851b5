import json

import numpy as np
import pytest
import torch
from PIL import Image

from diff_harmonization.data.construction import (
    CANDIDATES,
    ENTRIES,
    MANIFEST,
    build_one,
    clear_parts,
    collect,
    digest,
    find_sources,
    first_seed,
    make_candidates,
    part_of,
)
from diff_harmonization.data.iharmony4 import pairs, read_samples

SUBSET = "HMade"


def shifted(image, mask, seed, count):
    """Composites whose object is brighter by a number that only the seed decides."""
    shifts = [(seed + row) % 7 / 20 for row in range(count)]
    return torch.cat([torch.where(mask[..., None] > 0, (image + shift).clamp(0, 1), image) for shift in shifts])


def brightness(images, masks):
    return (images.mean(-1) * masks).sum((1, 2)) / masks.sum((1, 2))


@pytest.fixture
def folders(tmp_path):
    """Three pictures: two masks, one mask, none."""
    images, masks = tmp_path / "images", tmp_path / "masks"
    images.mkdir(), masks.mkdir()
    dice = np.random.default_rng(0)
    for name in ("a", "b", "c"):
        Image.fromarray(dice.integers(40, 120, (48, 64, 3), np.uint8)).save(images / f"{name}.png")
    plane = np.zeros((48, 64), np.uint8)
    plane[10:30, 20:40] = 255
    for name in ("a_1", "a_2", "b"):
        Image.fromarray(plane).save(masks / f"{name}.png")
    return images, masks


@pytest.fixture
def sources(folders):
    return find_sources(*folders, gamma=1.0)


def build(sources, out, seed=0, count=4, inverse=shifted):
    for source in sources:
        build_one(source, out, SUBSET, seed, count, inverse, brightness)
    return collect(sources, out, SUBSET)


@pytest.mark.parametrize(
    ("gamma", "expected"),
    [
        (0.3, {"a_1": 1, "b_1": 1}),  # ceil(0.45) = 1 of each picture
        (1.0, {"a_1": 1, "a_2": 1, "b_1": 2}),  # ceil(3 / 2) = 2
        (2.0, {"a_1": 2, "a_2": 1, "b_1": 3}),
    ],
)
def test_how_many_composites_a_picture_gets(folders, gamma, expected):
    assert {source.name: source.composites for source in find_sources(*folders, gamma)} == expected


def test_refusals(folders, tmp_path):
    with pytest.raises(ValueError, match="^`gamma`: got 0"):
        find_sources(*folders, 0)
    (tmp_path / "none").mkdir()
    with pytest.raises(ValueError, match="^`masks`: .* has no mask of a picture in"):
        find_sources(folders[0], tmp_path / "none", 1)


def test_the_pick_is_the_least_harmonious():
    image, mask = torch.full((1, 8, 8, 3), 0.3), torch.ones(1, 8, 8)
    made = make_candidates(image, mask, 12, 4, shifted, brightness)  # shifts 5, 6, 0, 1 of 20
    assert made.seeds == (12, 13, 14, 15) and made.picked == 1
    assert made.scores == pytest.approx((0.55, 0.6, 0.3, 0.35))


def test_seeds_come_of_the_name_alone(sources):
    seeds = [first_seed(source, number, 0) for source in sources for number in (1, 2)]
    assert len(set(seeds)) == len(seeds)
    assert first_seed(sources[0], 1, 0) == first_seed(sources[0], 1, 0) != first_seed(sources[0], 1, 1)


def test_a_data_set_in_iharmony4_s_layout(sources, tmp_path):
    out = tmp_path / "out"
    parts = build(sources, out)
    names = [name for own in parts.values() for name in own]
    assert sorted(names) == ["a_1_1.jpg", "a_2_1.jpg", "b_1_1.jpg", "b_1_2.jpg"]
    assert parts == {part: [name for name in names if part_of(name[0]) == part] for part in ("train", "test")}
    found = [pair for part in parts for pair in pairs(read_samples(out, part), None)]
    assert len(found) == 4
    for pair in found:
        change = (pair.composite - pair.truth).abs().mean(-1)
        assert change[pair.mask == 0].mean() < 0.02  # JPEG
        assert pair.composite[pair.mask == 1].mean() >= pair.truth[pair.mask == 1].mean() - 0.01


def test_the_manifest_names_seeds_and_hashes(sources, tmp_path):
    out = tmp_path / "out"
    build(sources, out)
    manifest = json.loads((out / MANIFEST).read_text())
    assert manifest["subset"] == SUBSET and [entry["name"] for entry in manifest["entries"]] == ["a_1", "a_2", "b_1"]
    for entry in manifest["entries"]:
        for composite in entry["composites"]:
            assert composite["sha256"] == digest(out / SUBSET / "composite_images" / composite["name"])
            rows = composite["candidates"]
            assert composite["seed"] == max(rows, key=lambda row: row["score"])["seed"] and len(rows) == 4
            folder = out / CANDIDATES / composite["name"].removesuffix(".jpg")
            assert all(row["sha256"] == digest(folder / f"{row['seed']}.jpg") for row in rows)


def test_what_was_made_is_not_made_again(sources, tmp_path):
    out, calls = tmp_path / "out", []

    def counted(*given):
        calls.append(given[2])
        return shifted(*given)

    build(sources[:1], out, inverse=counted)
    (out / ENTRIES / ".b_1.json.7.part").write_text("{")  # an interruption leaves this
    clear_parts(out)
    assert not list(out.rglob("*.part"))
    first = build(sources, out, inverse=counted)
    assert len(calls) == 4
    assert build(sources, out, inverse=counted) == first and len(calls) == 4
    build(sources, out, seed=1, inverse=counted)
    assert len(calls) == 8


def test_the_order_does_not_matter(sources, tmp_path):
    build(sources, tmp_path / "one")
    build(sources[::-1], tmp_path / "other")
    names = [path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.jpg")]
    assert len(names) == 4 * 4 + 4 + 2
    assert all((tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes() for name in names)


def test_a_mask_of_another_size_is_refused(folders, tmp_path):
    Image.fromarray(np.full((5, 5), 255, np.uint8)).save(folders[1] / "b.png")
    (source,) = [each for each in find_sources(*folders, 1) if each.name == "b_1"]
    with pytest.raises(ValueError, match="^b.png is 64x48 and its mask b.png 5x5; expected one size"):
        build_one(source, tmp_path / "out", SUBSET, 0, 2, shifted, brightness)
