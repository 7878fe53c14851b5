import pytest

from diff_harmonization.data import photos as photos_module
from diff_harmonization.data.photos import read_photos, split_ids


def test_a_hundred_to_tune_on_and_another_hundred_to_report_on():
    ids = split_ids()
    assert {len(ids["tune"]), len(set(ids["tune"])), len(ids["report"]), len(set(ids["report"]))} == {100}
    assert not set(ids["tune"]) & set(ids["report"])
    assert not set(ids["duplicates"]) & {*ids["tune"], *ids["report"]}


def test_training_sees_none_of_the_held_back_photos_nor_their_duplicates(tmp_path):
    held_back = [photo_id for group in split_ids().values() for photo_id in group]
    rows = [f"{photo_id},natural,tree" for photo_id in [*held_back, "new_1", "new_2"]]
    (tmp_path / "index.csv").write_text("\n".join(["id,kind,object", *rows]) + "\n")
    assert [photo.id for photo in read_photos(tmp_path, "train")] == ["new_1", "new_2"]
    assert {photo.id for photo in read_photos(tmp_path, "tune")} == set(split_ids()["tune"])
    assert {photo.id for photo in read_photos(tmp_path, "report")} == set(split_ids()["report"])


def test_photos_read_their_files(photos, monkeypatch):
    monkeypatch.setattr(photos_module, "split_ids", lambda: {"tune": ["p1"], "report": []})
    (photo,) = read_photos(photos[0].folder, "tune")
    assert (photo.id, photo.object, photo.natural) == ("p1", "car", True)
    assert photo.image().shape == (40, 40, 3)
    assert photo.mask().unique().tolist() == [0, 1]
    assert len(read_photos(photos[0].folder, "train")) == 4


def test_a_folder_without_an_index(tmp_path):
    with pytest.raises(FileNotFoundError, match="No photo set at .*index.csv"):
        read_photos(tmp_path, "train")
