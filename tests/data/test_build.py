"""`data build` with the embedded networks, here and on a real Ray cluster of two workers."""

import json
import shutil

import pytest
from killing import kill_a_ray_worker_after, results, start
from PIL import Image
from typer.testing import CliRunner

from diff_harmonization.cli.__main__ import app
from diff_harmonization.data.construction import ENTRIES
from diff_harmonization.data.output import FAILED, PARTLY

pytestmark = pytest.mark.usefixtures("threads")


@pytest.fixture(scope="module")
def folder(photo_set, tmp_path_factory):
    """Eight pictures with their masks; the first one has a second mask."""
    folder = shutil.copytree(photo_set, tmp_path_factory.mktemp("build") / "in")
    (folder / "masks" / "t0.png").rename(folder / "masks" / "t0_1.png")
    with Image.open(folder / "masks" / "t0_1.png") as mask:
        mask.rotate(90).save(folder / "masks" / "t0_2.png")
    return folder


def options(folder, out):
    named = {"--images": folder / "images", "--masks": folder / "masks", "--out": out, "--candidates": 2}
    return [str(part) for pair in named.items() for part in pair]


def run(folder, out, *more):
    result = CliRunner().invoke(app, ["data", "build", *options(folder, out), "--json", *more])
    return result.exit_code, json.loads(result.stdout)


@pytest.fixture(scope="module")
def built(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("built") / "out"
    return out, run(folder, out)


def contents(out):
    return {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()}


def test_a_data_set_of_every_mask(built):
    out, (code, told) = built
    assert code == 0 and told["errors"] == {} and told["result"] == str(out)
    names = [path.name for path in (out / "HMade" / "composite_images").iterdir()]
    assert told["train"] + told["test"] == len(names) and len(results(out / ENTRIES, "*.json")) == 9
    assert (out / "sheet.jpg").is_file() and not list(out.rglob("*.part"))


def test_what_is_there_is_not_made_again(built, folder):
    out, first = built
    before = results(out / ENTRIES, "*.json")
    assert run(folder, out) == first
    assert results(out / ENTRIES, "*.json") == before


def test_one_bad_picture_does_not_stop_the_others(folder, tmp_path):
    bad = shutil.copytree(folder, tmp_path / "bad")
    for path in sorted((bad / "masks").iterdir())[3:]:
        path.unlink()
    (bad / "images" / "t1.jpg").write_bytes(b"torn")
    code, told = run(bad, tmp_path / "out")
    assert code == PARTLY and list(told["errors"]) == ["t1_1"] and "\n" not in told["errors"]["t1_1"]
    assert len(results(tmp_path / "out" / ENTRIES, "*.json")) == 2
    for name in ("t0_1", "t0_2"):
        (bad / "masks" / f"{name}.png").unlink()
    code, told = run(bad, tmp_path / "none")
    assert code == FAILED and "none of the 1 pictures" in told["error"]


def test_a_killed_ray_worker_costs_nothing_and_every_byte_is_the_same(built, folder, tmp_path, monkeypatch):
    pytest.importorskip("ray", reason="Ray is not installed")
    monkeypatch.setenv("RAY_worker_niceness", "0")  # else its workers wait for every other program
    out = tmp_path / "out"
    process = start("data build", *options(folder, out), "--ray", "local", "--workers", "2")
    seen = kill_a_ray_worker_after(process, out / ENTRIES, 2, "*.json")
    told, errors = process.communicate(timeout=500)
    assert json.loads(told) == built[1][1] | {"result": str(out)}, errors
    assert seen.items() <= results(out / ENTRIES, "*.json").items()  # none was made again
    assert contents(out) == contents(built[0])


def test_a_worker_without_comfyui_says_so(folder, tmp_path, monkeypatch):
    pytest.importorskip("ray", reason="Ray is not installed")
    monkeypatch.setenv("COMFYUI_PATH", str(tmp_path))
    process = start("data build", *options(folder, tmp_path / "out"), "--ray", "local", "--workers", "1")
    told, errors = process.communicate(timeout=500)
    assert process.returncode == FAILED, errors
    assert json.loads(told)["error"].startswith("The workers on Ray failed: FileNotFoundError: No ComfyUI at ")
    assert errors.splitlines()[-1].startswith("Error: The workers on Ray failed: ")
