import os
import uuid

import pytest

from diff_harmonization.cli.batch.location import Location


@pytest.fixture(params=["local", "memory"])
def place(request, tmp_path):
    return Location(str(tmp_path / "a b") if request.param == "local" else f"memory://{uuid.uuid4().hex}/deep")


def test_files_are_written_listed_read_and_deleted(place):
    place.write("x/y.png", b"one")
    place.write("x/y.png", b"other")
    assert place.read("x/y.png") == b"other" and place.exists("x/y.png")
    assert list(place.names()) == ["x/y.png"]
    place.delete("x/y.png")
    assert place.names() == {} and not place.exists("x/y.png")
    with pytest.raises(FileNotFoundError):
        place.read("x/y.png")


def test_an_address_holds_wherever_a_worker_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Location.of("photos/new") == Location(str(tmp_path / "photos" / "new"))
    assert Location.of("memory://photos") == Location("memory://photos")


def test_a_changed_file_has_another_stamp(place):
    place.write("a", b"one")
    before = place.names()["a"]
    assert place.names()["a"] == before
    place.write("a", b"more")
    assert place.names()["a"] != before


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch, broken):
    """Whatever ends the program on the way, the old file stays, and nothing beside it."""
    place = Location(str(tmp_path))
    place.write("a", b"old")

    def end(*arguments):
        raise SystemExit

    monkeypatch.setattr(os, broken, end)
    with pytest.raises(SystemExit):
        place.write("a", b"new")
    assert place.read("a") == b"old"
    assert list(place.names()) == ["a"]


def test_links_to_files_count_and_links_to_folders_do_not(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.png").write_bytes(b"a")
    for name, target in (("link.png", "sub/a.png"), ("broken.png", "nothing"), ("circle", ".")):
        os.symlink(target, tmp_path / name)
    place = Location(str(tmp_path))
    assert list(place.names()) == ["broken.png", "link.png", "sub/a.png"]
    assert place.read("link.png") == b"a"
    with pytest.raises(FileNotFoundError):
        place.read("broken.png")


def test_only_this_machines_folders_are_local(tmp_path):
    assert Location(str(tmp_path)).local and Location(f"file://{tmp_path}").local
    assert not Location("memory://a").local
