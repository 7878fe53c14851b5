import numpy as np
import pytest
import torch
from PIL import Image

from diff_harmonization.data.iharmony4 import SIDE, Sample, pairs, read_samples, write_lists

NAMES = ("a1_1_1.jpg", "a1_2_1.jpg", "b_7_1_2.jpg")


@pytest.fixture
def data_set(tmp_path):
    """Two subsets in iHarmony4's layout: a real picture with two masks, and one whose name has an underscore."""
    dice = np.random.default_rng(0)
    for subset, names in {"HCOCO": NAMES[:2], "HFlickr": NAMES[2:]}.items():
        for name in names:
            composite, mask, truth = Sample(tmp_path / subset, name).files
            for path in (composite, mask, truth):
                path.parent.mkdir(parents=True, exist_ok=True)
            pixels = dice.integers(0, 256, (300, 200, 3), np.uint8)
            Image.fromarray(pixels).save(truth, quality=95)
            Image.fromarray(255 - pixels).save(composite, quality=95)
            plane = np.zeros((300, 200), np.uint8)
            plane[100:200, 50:150] = 255
            Image.fromarray(plane).save(mask)
        write_lists(tmp_path, subset, {"test": names, "train": ()})
    lines = "".join(f"{s}/composite_images/{n}\n" for s, n in zip(("HCOCO", "HCOCO", "HFlickr"), NAMES, strict=True))
    (tmp_path / "IHD_test.txt").write_text(lines)
    return tmp_path


def test_names_tell_mask_and_truth(tmp_path):
    sample = Sample(tmp_path / "HFlickr", "b_7_1_2.jpg")
    files = [path.relative_to(tmp_path).as_posix() for path in sample.files]
    assert files == [
        "HFlickr/composite_images/b_7_1_2.jpg",
        "HFlickr/masks/b_7_1.png",
        "HFlickr/real_images/b_7.jpg",
    ]
    assert (sample.id, sample.subset) == ("HFlickr/b_7_1_2", "HFlickr")
    with pytest.raises(ValueError, match="expected a name like NAME_MASK_COMPOSITE.jpg"):
        _ = Sample(tmp_path, "b_7.jpg").files


@pytest.mark.parametrize("kept", ["all", "subsets", "one"])
def test_lists_of_the_whole_or_of_its_subsets(data_set, kept):
    if kept != "all":
        (data_set / "IHD_test.txt").unlink()
    folder = data_set / "HCOCO" if kept == "one" else data_set
    names = [sample.name for sample in read_samples(folder, "test")]
    assert names == list(NAMES[:2] if kept == "one" else NAMES)


def test_a_folder_without_lists_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected IHD_test.txt, or SUBSET/SUBSET_test.txt for each of HCOCO"):
        read_samples(tmp_path, "test")


def test_pairs_are_squares_of_256(data_set):
    found = list(pairs(read_samples(data_set, "test")))
    assert [pair.id for pair in found] == ["HCOCO/a1_1_1", "HCOCO/a1_2_1", "HFlickr/b_7_1_2"]
    for pair in found:
        assert pair.composite.shape == pair.truth.shape == (SIDE, SIDE, 3) and pair.mask.shape == (SIDE, SIDE)
        assert pair.foreground_ratio == pytest.approx(1 / 6, abs=0.01)
        assert torch.equal(pair.composite * 255, (pair.composite * 255).round())  # as files hold it


def test_the_size_may_stay(data_set):
    pair = read_samples(data_set, "test")[0].pair(None)
    assert pair.composite.shape == (300, 200, 3)


def test_a_mask_of_another_size_is_refused(data_set):
    sample = read_samples(data_set, "test")[0]
    Image.fromarray(np.full((30, 20), 255, np.uint8)).save(sample.files[1])
    with pytest.raises(ValueError, match="^HCOCO/a1_1_1: composite, truth and mask must have one size"):
        sample.pair(None)
    with pytest.raises(ValueError, match="^HCOCO/a1_1_1: the mask is full"):
        sample.pair()
