import pytest
import torch
from pairs import picture, write_index, write_picture

from diff_harmonization.data.composites import load_pasted, read_composites
from diff_harmonization.data.photos import read_photos


def test_a_folder_is_read_in_the_order_of_its_index(composites_folder):
    composites = read_composites(composites_folder)
    assert [(composite.id, composite.object) for composite in composites] == [("011", "boy"), ("003", "house")]
    assert composites[0].image().shape == (40, 40, 3)
    assert composites[0].mask().unique().tolist() == [0, 1]


def test_a_loaded_composite_has_a_mask_of_0_and_1(composites_folder):
    mask = torch.full((40, 40), 0.2)
    mask[10:20, 10:20] = 0.9
    write_picture(composites_folder / "011_mask.png", mask)
    pasted = load_pasted(read_composites(composites_folder)[0])
    assert (pasted.id, pasted.object) == ("011", "boy")
    assert torch.equal(pasted.mask, (mask > 0.5).float())
    assert (pasted.composite - picture(0)[0]).abs().mean() < 0.05  # JPEG


def test_a_photo_set_has_composites_too(write_set):
    photos = read_photos(write_set(["n1"], ["c1"]), "train")
    pasted = load_pasted(photos[1])
    assert (pasted.id, pasted.object) == ("c1", "tree")
    assert torch.equal(pasted.mask, photos[1].foreground())


def test_a_folder_without_an_index(tmp_path):
    with pytest.raises(FileNotFoundError, match="No composites in .*index.csv"):
        read_composites(tmp_path)


def test_a_missing_column_is_named(composites_folder):
    write_index(composites_folder / "index.csv", ["id"], [["003"]])
    with pytest.raises(ValueError, match="lacks the column object"):
        read_composites(composites_folder)


def test_missing_files_are_all_named_before_any_is_read(composites_folder):
    (composites_folder / "011.jpg").unlink()
    (composites_folder / "003_mask.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"not there: 011.jpg, 003_mask.png\.$"):
        read_composites(composites_folder)


def test_sizes_must_agree(composites_folder):
    write_picture(composites_folder / "011_mask.png", torch.ones(20, 40))
    with pytest.raises(ValueError, match=r"Composite 011 .* one size, got \(40, 40\) and \(20, 40\)"):
        load_pasted(read_composites(composites_folder)[0])


@pytest.mark.parametrize(("value", "word"), [(0.0, "empty"), (1.0, "full")])
def test_a_mask_must_have_an_object_and_a_background(composites_folder, value, word):
    write_picture(composites_folder / "011_mask.png", torch.full((40, 40), value))
    with pytest.raises(ValueError, match=f"Composite 011 in .*: the mask is {word}"):
        load_pasted(read_composites(composites_folder)[0])
