import hashlib

import pytest

from diff_harmonization.data import photos as photos_module
from diff_harmonization.data.photos import read_photos, split_ids

# How many ids a group has, and their digest: a change would move photos between training and measuring.
GROUPS = {
    "tune": (100, "1a9d79c67f91a0ae"),
    "report": (100, "5d3b695e3ff2517b"),
    "benchmark_duplicates": (140, "66e4e332028c3bf4"),
    "held_back": (300, "1965a14ae5ef6cf2"),
    "held_back_duplicates": (26, "6ab98490d717aac5"),
}


@pytest.fixture
def index(tmp_path):
    """A folder whose index names every photo of splits.json, and two that it does not know."""
    rows = [f"{photo_id},natural,tree" for group in split_ids().values() for photo_id in group]
    rows = ["new_1,natural,tree", *rows, "new_2,composite,car"]
    (tmp_path / "index.csv").write_text("\n".join(["id,kind,object", *rows]) + "\n")
    return tmp_path


def ids_of(folder, split):
    return [photo.id for photo in read_photos(folder, split)]


def test_the_splits_never_change():
    digests = {
        group: (len(ids), hashlib.sha256("\n".join(ids).encode()).hexdigest()[:16])
        for group, ids in split_ids().items()
    }
    assert digests == GROUPS


def test_no_photo_is_in_two_groups():
    every = [photo_id for group in split_ids().values() for photo_id in group]
    assert len(every) == len(set(every))


def test_what_is_measured_is_a_group_of_its_own(index):
    ids = split_ids()
    assert set(ids_of(index, "tune")) == set(ids["tune"])
    assert set(ids_of(index, "report")) == set(ids["report"])
    assert set(ids_of(index, "evaluator_held_back")) == set(ids["held_back"])


def test_training_sees_nothing_that_the_benchmarks_set_aside(index):
    """The embedded model and the norms learn from what is held back for the evaluator: it is no benchmark of theirs."""
    ids = split_ids()
    assert ids_of(index, "train") == ["new_1", *ids["held_back"], *ids["held_back_duplicates"], "new_2"]


def test_the_evaluators_training_sees_nothing_that_anyone_holds_back(index):
    assert ids_of(index, "evaluator_train") == ["new_1", "new_2"]


def test_photos_read_their_files(photos, monkeypatch):
    monkeypatch.setattr(
        photos_module, "split_ids", lambda: {"tune": ["p1"], "report": [], "benchmark_duplicates": ["p2"]}
    )
    (photo,) = read_photos(photos[0].folder, "tune")
    assert (photo.id, photo.object, photo.natural) == ("p1", "car", True)
    assert photo.image().shape == (40, 40, 3)
    assert photo.mask().unique().tolist() == [0, 1]
    assert ids_of(photos[0].folder, "train") == ["p0", "p3", "p4"]


def test_a_folder_without_an_index(tmp_path):
    with pytest.raises(FileNotFoundError, match="No photo set in .*index.csv"):
        read_photos(tmp_path, "train")


def test_an_index_without_a_column(index):
    (index / "index.csv").write_text("id,name\nnew_1,tree\n")
    with pytest.raises(ValueError, match="index.csv lacks the column kind, object; expected id,object,kind"):
        read_photos(index, "train")
