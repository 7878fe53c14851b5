import pytest

from diff_harmonization.cli.batch.items import find_items


def found(*names, **options):
    return find_items({name: f"stamp of {name}" for name in names}, **options)


@pytest.mark.parametrize("own", ["composites", "composite", "composite_images", "images"])
@pytest.mark.parametrize("others", ["masks", "mask"])
def test_folders_of_pictures_and_masks(own, others):
    first, second = found(
        f"{own}/a.jpg", f"{own}/sub/b.tif", f"{others}/a_mask.png", f"{others}/sub/b.jpg", "index.csv"
    )
    assert (first.name, first.picture, first.mask) == ("a.jpg", f"{own}/a.jpg", f"{others}/a_mask.png")
    assert (second.name, second.mask) == ("sub/b.tif", f"{others}/sub/b.jpg")
    assert (first.result, second.result) == ("a.png", "sub/b.tif")
    assert first.stamp == f"stamp of {first.picture}, stamp of {first.mask}"


def test_pairs_side_by_side():
    first, second = found("b/dog.jpg", "b/dog_mask.png", "cat.png", "cat_mask.jpg", "notes.txt")
    assert (first.name, first.mask) == ("b/dog.jpg", "b/dog_mask.png")
    assert (second.name, second.mask) == ("cat.png", "cat_mask.jpg")


def test_iharmony4s_composites_share_a_mask():
    items = found("composite_images/a0001_1_1.jpg", "composite_images/a0001_1_2.jpg", "masks/a0001_1.png")
    assert [item.mask for item in items] == ["masks/a0001_1.png"] * 2


def test_a_picture_without_a_mask_is_kept_to_be_told():
    (item,) = found("composites/a.jpg", "masks/b.png")
    assert item.mask == ""


def test_results_of_pictures_with_one_stem_do_not_meet():
    items = found("composites/a.jpg", "composites/a.png", "composites/b.png", "masks/a.png", "masks/b.png")
    assert [item.result for item in items] == ["a.jpg.png", "a.png.png", "b.png"]


def test_the_kind_of_the_results_may_be_chosen():
    assert [item.result for item in found("a.tif", "a_mask.png", suffix=".jpg")] == ["a.jpg"]


def test_captions_follow_the_natural_order_of_names():
    items = found("10.jpg", "10_mask.png", "2.jpg", "2_mask.png", captions=["two a, two b\n", "\n", "ten a, ten b\n"])
    assert [(item.name, item.caption) for item in items] == [("2.jpg", "two a, two b"), ("10.jpg", "ten a, ten b")]


def test_captions_may_name_some_pictures():
    items = found("a.jpg", "a_mask.png", "b.jpg", "b_mask.png", captions=["b\tdog x, dog y"])
    assert [item.caption for item in items] == ["", "dog x, dog y"]
    items = found("a.jpg", "a_mask.png", captions=["a.jpg\tdog x, dog y"])
    assert items[0].caption == "dog x, dog y"


def test_captions_that_do_not_fit():
    with pytest.raises(ValueError, match="have 2 lines for 1 pictures"):
        found("a.jpg", "a_mask.png", captions=["x", "y"])
    with pytest.raises(ValueError, match="Line 1 of the captions names 'c', and there is no such picture"):
        found("a.jpg", "a_mask.png", captions=["c\tdog x, dog y"])


def test_a_folder_without_pictures():
    with pytest.raises(ValueError, match="There is no picture: expected composites/NAME.jpg"):
        found("notes.txt")
