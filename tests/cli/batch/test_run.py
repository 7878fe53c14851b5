"""Whole batches, in this process and killed in others."""

import csv
import io
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from killing import kill_after, results, start_batch
from PIL import Image
from typer.testing import CliRunner

from diff_harmonization.cli.__main__ import app
from diff_harmonization.cli.batch.manifest import Manifest
from diff_harmonization.cli.batch.report import CSV, HTML
from diff_harmonization.cli.batch.run import one_by_one, run_batch
from diff_harmonization.data.output import PARTLY


@pytest.fixture
def manifest(tmp_path):
    with Manifest(tmp_path / "manifest.sqlite") as manifest:
        yield manifest


def test_everything_is_done_once(job, items, manifest):
    heard = []
    first = run_batch(job, manifest, items, report=lambda *told: heard.append(told))
    assert (first.done, first.failed, first.worked) == (8, 0, 8)
    assert heard == [(number, 8) for number in range(9)]
    assert sorted(job.output.names()) == [item.result for item in items]  # no receipt is left
    again = run_batch(job, manifest, items)
    assert (again.done, again.worked) == (8, 0)


def test_other_settings_do_it_again(job, items, manifest):
    run_batch(job, manifest, items[:1])
    other = replace(job, settings=replace(job.settings, strength=0.5))
    assert run_batch(other, manifest, items[:1]).worked == 1


def test_what_a_killed_run_left_is_cleaned_up(job, items, manifest):
    job.output.write(".t0.png.123.part", b"half")
    run_batch(job, manifest, items[:1])
    assert list(job.output.names()) == ["t0.png"]


def test_a_method_that_cannot_be_loaded_stops_the_run(job, items, manifest, monkeypatch, tmp_path):
    monkeypatch.setattr("diff_harmonization.cli.methods.METHODS", {"routed": lambda settings: (tmp_path / "no").stat()})
    with pytest.raises(FileNotFoundError):
        run_batch(job, manifest, items)
    assert manifest.counts() == {"waiting": 8}


def run_app(*arguments):
    result = CliRunner().invoke(app, ["batch", *map(str, arguments), "--json"])
    return result.exit_code, json.loads(result.stdout)


UNREADABLE = Path("/proc/self/mem")  # reading it from its start is an error, for root, too


def damaged(folder):
    """A folder with one good picture, and every kind of bad one."""
    for name in ("composites", "masks"):
        (folder / name).mkdir(parents=True)
    good, mask = Image.effect_noise((64, 48), 60).convert("RGB"), Image.new("L", (64, 48))
    mask.paste(255, (20, 15, 40, 35))

    def put(name, picture=None, its_mask=mask):
        if isinstance(picture, bytes):
            (folder / "composites" / name).write_bytes(picture)
        elif picture is not None:
            picture.save(folder / "composites" / name)
        if its_mask is not None:
            its_mask.save(folder / "masks" / f"{Path(name).stem}.png")

    put("good.jpg", good)
    data = (folder / "composites" / "good.jpg").read_bytes()
    put("corrupt.jpg", data[:100] + b"\0" * 400 + data[500:600])
    put("truncated.jpg", data[: len(data) // 2])
    put("zero.jpg", b"")
    put("huge.png", Image.new("1", (20_000, 20_000)))
    put("cmyk.jpg", good.convert("CMYK"))
    good.save(folder / "composites" / "animated.gif", save_all=True, append_images=[good.rotate(90)])
    put("animated.gif")
    put("no_mask.png", good, None)
    put("empty_mask.png", good, Image.new("L", (64, 48)))
    put("full_mask.png", good, Image.new("L", (64, 48), 255))
    put("other_size.png", good, mask.resize((32, 24)))
    for name, target in (("linked.jpg", "good.jpg"), ("broken.jpg", "nothing.jpg"), ("circle.jpg", "circle.jpg")):
        os.symlink(target, folder / "composites" / name)
        put(name)
    put("unreadable.png", good)
    (folder / "composites" / "unreadable.png").chmod(0)  # not for root
    if UNREADABLE.exists():
        os.symlink(UNREADABLE, folder / "composites" / "unreadable_for_all.png")
        put("unreadable_for_all.png")
    return folder


BAD = {
    "corrupt.jpg": "damaged",
    "truncated.jpg": "truncated",
    "zero.jpg": "the file is empty",
    "huge.png": "too large",
    "cmyk.jpg": "its colors are CMYK",
    "animated.gif": "it holds 2 pictures",
    "no_mask.png": "it has no mask",
    "empty_mask.png": "the mask is empty",
    "full_mask.png": "the mask covers the whole picture",
    "other_size.png": "the mask is 32x24, expected 64x48",
    "broken.jpg": "FileNotFoundError",
    "circle.jpg": "OSError",
} | ({"unreadable_for_all.png": "OSError"} if UNREADABLE.exists() else {})


def test_every_kind_of_bad_file_is_one_line_of_the_report(tmp_path):
    code, told = run_app(damaged(tmp_path / "in"), "--method", "routed")
    rows = {row["name"]: row for row in csv.DictReader(io.StringIO((tmp_path / "in_harmonized" / CSV).read_text()))}
    good = {"good.jpg", "linked.jpg"} | ({"unreadable.png"} if os.geteuid() == 0 else set())
    assert {name for name, row in rows.items() if row["state"] == "done"} == good
    assert {name for name, row in rows.items() if row["state"] == "failed"} == rows.keys() - good >= BAD.keys()
    for name, part in BAD.items():
        assert part in rows[name]["error"] and "\n" not in rows[name]["error"], name
    if "unreadable.png" not in good:
        assert "PermissionError" in rows["unreadable.png"]["error"]
    assert code == PARTLY and (told["done"], told["failed"]) == (len(good), len(rows) - len(good))
    page = (tmp_path / "in_harmonized" / HTML).read_text()
    assert all(page.count(f"<th>{name}</th>") == 1 for name in BAD)
    assert page.count("<figure") == len(good)
    code, told = run_app(tmp_path / "in", "--method", "routed")
    assert (code, told["worked"]) == (PARTLY, 0)
    code, told = run_app(tmp_path / "in", "--method", "routed", "--retry")
    assert told["worked"] == told["failed"]


def test_results_in_a_bucket(photo_set, tmp_path):
    out = f"memory://{tmp_path.name}"
    assert "name a file on this machine with --manifest" in run_app(photo_set, "--out", out)[1]["error"]
    code, told = run_app(photo_set, "--method", "routed", "--out", out, "--manifest", tmp_path / "m.sqlite")
    assert (code, told["done"]) == (0, 8)
    from diff_harmonization.cli.batch.location import Location

    names = set(Location(out).names())
    assert names == {*(f"t{number}.png" for number in range(8)), HTML, CSV}


def test_results_inside_the_folder_are_no_pictures(photo_set, tmp_path):
    import shutil

    folder = shutil.copytree(photo_set / "images", tmp_path / "pairs")
    for mask in (photo_set / "masks").iterdir():
        shutil.copy(mask, folder / f"{mask.stem}_mask.png")
    for _ in range(2):
        code, told = run_app(folder, "--method", "routed", "--out", folder / "out")
        assert (code, told["done"], told["failed"]) == (0, 8, 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--describe", "dog 7"), "one name in words"),
        (("--suffix", ".gif"), "expected one of"),
        (("--captions", "CAPTIONS"), "have 1 lines for 8 pictures"),
    ],
)
def test_wrong_options_are_told_before_the_work(photo_set, tmp_path, options, message):
    (tmp_path / "captions").write_text("dog x, dog y\n")
    options = [str(tmp_path / "captions") if option == "CAPTIONS" else option for option in options]
    code, told = run_app(photo_set, "--out", tmp_path / "out", *options)
    assert code == 1 and message in told["error"]
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_not_there(tmp_path):
    code, told = run_app(tmp_path / "none")
    assert code == 1 and told["error"].startswith("There is no folder")


def test_a_killed_batch_goes_on_and_does_nothing_twice(photo_set, job, items, host_path, tmp_path):
    out, seen = tmp_path / "killed", {}
    for wanted in (1, 3, 6):
        kill_after(start_batch(photo_set, out), out, wanted)
        now = results(out)
        assert seen.items() <= now.items() and len(now) >= wanted
        seen = now
    told, errors = start_batch(photo_set, out).communicate(timeout=300)
    assert json.loads(told)["done"] == 8, errors
    assert seen.items() <= results(out).items()
    for record in one_by_one(job, items):  # what was never killed has the same bytes
        item = next(item for item in items if item.name == record.name)
        assert (out / item.result).read_bytes() == job.output.read(item.result)
