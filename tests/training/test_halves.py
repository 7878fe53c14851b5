import numpy as np
import pytest
from PIL import Image

from diff_harmonization.data.photos import read_photos
from diff_harmonization.training.halves import halves


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Twelve scenes, and each of the first three once more, a little brighter and cut a little narrower."""
    folder = tmp_path_factory.mktemp("photos")
    (folder / "images").mkdir()
    dice, rows = np.random.default_rng(0), ["id,kind,object"]
    for index in range(12):
        scene = np.kron(dice.integers(20, 220, (6, 6, 3)), np.ones((12, 12, 1))).astype(np.uint8)
        versions = {f"s{index}": scene} | ({f"s{index}_again": scene[:, 1:] + 9} if index < 3 else {})
        for name, pixels in versions.items():
            Image.fromarray(pixels).save(folder / "images" / f"{name}.jpg", quality=90)
            rows.append(f"{name},natural,tree")
    (folder / "index.csv").write_text("\n".join(rows) + "\n")
    return read_photos(folder, "train")


def test_every_photo_is_in_one_half(photos):
    first, second = halves(photos)
    assert [photo for photo in photos if photo in first] == first and [p for p in photos if p in second] == second
    assert {photo.id for photo in photos} == {photo.id for photo in first} | {photo.id for photo in second}
    assert len(first) + len(second) == len(photos) and min(len(first), len(second)) >= 6


def test_near_duplicates_are_in_one_half(photos):
    for half in halves(photos):
        ids = {photo.id for photo in half}
        for index in range(3):
            assert (f"s{index}" in ids) == (f"s{index}_again" in ids)


def test_the_halves_are_always_the_same(photos):
    assert halves(photos) == halves(photos)


def test_photos_of_one_scene_have_no_halves(photos):
    with pytest.raises(ValueError, match="2 photos of one scene have no halves"):
        halves([photo for photo in photos if photo.id.startswith("s1") and photo.id in ("s1", "s1_again")])
