import subprocess
import sys
from dataclasses import replace

import pytest

from diff_harmonization.cli.batch.items import Item
from diff_harmonization.cli.batch.manifest import Manifest, Record

ITEMS = [Item(f"{name}.jpg", f"c/{name}.jpg", f"m/{name}.png", f"{name}.png", f"1 {name}") for name in "abc"]
DONE = Record("a.jpg", "done", "in", "out", 0.1, 0.4, 2.0, "strength 1")
FAILED = Record("b.jpg", "failed", error="it is damaged")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "sub" / "manifest.sqlite"


def waiting(path, items=ITEMS, settings="s", results=("a.png",), retry=False):
    with Manifest(path) as manifest:
        manifest.take_up(items, settings, results, retry)
        return [item.name for item in manifest.waiting()]


@pytest.fixture
def begun(path):
    """Of three pictures one is done, and one failed."""
    with Manifest(path) as manifest:
        manifest.take_up(ITEMS, "s", ())
        assert manifest.waiting() == ITEMS
        for record in (DONE, FAILED):
            manifest.record(record)
    return path


def test_what_is_done_or_failed_does_not_wait_again(begun):
    assert waiting(begun) == ["c.jpg"]
    with Manifest(begun) as manifest:
        assert manifest.counts() == {"done": 1, "failed": 1, "waiting": 1}
        a, b, _ = manifest.rows()
        assert (a["before"], a["after"], a["result_hash"], a["told"]) == (0.1, 0.4, "out", "strength 1")
        assert b["error"] == "it is damaged"
        assert manifest.total_seconds() == 2.0


def test_failed_ones_wait_again_when_asked(begun):
    assert waiting(begun, retry=True) == ["b.jpg", "c.jpg"]


@pytest.mark.parametrize("change", [{"stamp": "2 a"}, {"caption": "dog x, dog y"}, {"mask": "m/other.png"}])
def test_a_changed_picture_waits_again(begun, change):
    assert waiting(begun, [replace(ITEMS[0], **change), *ITEMS[1:]]) == ["a.jpg", "c.jpg"]
    with Manifest(begun) as manifest:
        assert next(manifest.rows())["after"] is None


def test_other_settings_make_all_wait_again(begun):
    assert waiting(begun, settings="t") == ["a.jpg", "b.jpg", "c.jpg"]


def test_a_lost_result_is_made_again(begun):
    assert waiting(begun, results=()) == ["a.jpg", "c.jpg"]


def test_pictures_that_are_gone_are_forgotten(begun):
    assert waiting(begun, ITEMS[2:]) == ["c.jpg"]
    with Manifest(begun) as manifest:
        assert [row["name"] for row in manifest.rows()] == ["c.jpg"]


def test_a_new_picture_changes_nothing_for_the_others(begun):
    first = Item("0.jpg", "c/0.jpg", "m/0.png", "0.png", "1 0")
    assert waiting(begun, [first, *ITEMS]) == ["0.jpg", "c.jpg"]


def test_two_runs_cannot_share_a_manifest(begun):
    code = f"""
from pathlib import Path
from diff_harmonization.cli.batch.manifest import Manifest
Manifest(Path({str(begun)!r}))
"""
    with Manifest(begun) as manifest:
        manifest.take_up(ITEMS, "s", ())
        other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "another run is at work here" in other.stderr


def test_another_file_is_refused(tmp_path):
    (tmp_path / "m").write_text("no database, and longer than the header of one" * 50)
    with pytest.raises(ValueError, match="is no manifest"):
        Manifest(tmp_path / "m")
