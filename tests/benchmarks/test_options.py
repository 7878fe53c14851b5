from photo_sets import photo_set  # noqa: F401

from diff_harmonization.benchmarks.commands.options import natural_photos, pairs_of


def test_pairs_are_of_natural_photos_alone(photo_set):  # noqa: F811
    """Of a pasted object nobody knows the true colors."""
    pairs, count = pairs_of(None, photo_set, "train", None, "light")
    assert [pair.id for pair in pairs] == [f"t{index}" for index in range(5)] and count == 5
    pairs, count = pairs_of(None, photo_set, "train", 2, "light")
    assert len([*pairs]) == count == 2


def test_photos_are_taken_evenly(photo_set):  # noqa: F811
    assert [photo.id for photo in natural_photos(photo_set, "train", 2)] == ["t0", "t2"]
