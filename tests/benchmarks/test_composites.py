"""Real composites, on two small ones."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from diff_harmonization.benchmarks import composites
from diff_harmonization.benchmarks.__main__ import app
from diff_harmonization.benchmarks.composites import METHODS, measure
from diff_harmonization.data.composites import load_pasted, read_composites
from diff_harmonization.data.photos import read_image, split_ids
from diff_harmonization.methods.zero_shot.refinement import RefinementSettings


@pytest.fixture
def run(monkeypatch):
    """The command in this process, with short passes and loops of two of them."""
    short = {"steps": 3, "refinement": RefinementSettings(steps_per_timestep=0)}
    monkeypatch.setattr(composites, "LOOP", replace(composites.LOOP, k=1, max_passes=2))
    for name in ("ONE_PASS", "LOOP_PASS"):
        monkeypatch.setattr(composites, name, replace(getattr(composites, name), **short))
    monkeypatch.setenv("COLUMNS", "250")
    return partial(CliRunner().invoke, app)


def darken(pasted):
    return pasted.composite * (1 - 0.5 * pasted.mask[..., None])


def test_every_method_runs_on_every_composite(run, composites_folder, tmp_path):
    output = tmp_path / "out"
    result = run(["composites", str(composites_folder), "--output", str(output)], catch_exceptions=False)
    assert result.exit_code == 0
    assert "2 composites, sheet.jpg, votes.html" in result.stdout
    found = read_composites(composites_folder)
    assert {path.name for path in output.iterdir()} == {*METHODS, "sheet.jpg", "votes.html"}
    for composite in found:
        results = {name: read_image(output / name / f"{composite.id}.png") for name in METHODS}
        assert torch.equal(results["composite"], composite.image())
        changed = (results["one_pass"] != composite.image()).any(-1)
        assert changed.any() and not changed[composite.mask() < 0.5].any()
        assert not torch.equal(results["loop"], results["one_pass"])
    with Image.open(output / "sheet.jpg") as sheet:
        assert sheet.width > 3 * composites.CELL
    page = (output / "votes.html").read_text(encoding="utf-8")
    assert page.count("data:image/jpeg") == 2 * len(METHODS)


def test_methods_are_picked_by_name(run, composites_folder, tmp_path):
    arguments = ["--output", str(tmp_path / "out"), "--methods", "one_pass", "--methods", "composite", "--limit", "1"]
    run(["composites", str(composites_folder), *arguments], catch_exceptions=False)
    assert sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.png")) == [
        "composite/011.png",
        "one_pass/011.png",
    ]


@pytest.mark.parametrize(
    ("names", "message"), [(["composite", "magic"], "no method magic"), (["composite"], "two methods or more")]
)
def test_methods_that_cannot_be_compared_are_refused(run, composites_folder, tmp_path, names, message):
    picked = [argument for name in names for argument in ("--methods", name)]
    result = run(["composites", str(composites_folder), "--output", str(tmp_path / "out"), *picked])
    assert result.exit_code == 2
    assert message in result.output


def test_composites_of_a_photo_set_are_those_held_back(run, write_set, tmp_path):
    held_back = split_ids()["held_back"]
    folder = write_set([held_back[0]], ["c1", held_back[1], held_back[2]])
    arguments = ["--photos", str(folder), "--output", str(tmp_path / "out"), "--limit", "1"]
    run(["composites", *arguments, "--methods", "composite", "--methods", "one_pass"], catch_exceptions=False)
    assert [path.name for path in (tmp_path / "out" / "composite").iterdir()] == [f"{held_back[1]}.png"]


def test_a_source_of_composites_is_needed(run, tmp_path):
    result = run(["composites", "--output", str(tmp_path)])
    assert result.exit_code == 2
    assert "--photos" in result.output


def test_no_composites_are_an_error(tmp_path):
    with pytest.raises(ValueError, match="no composites to show"):
        measure([], {"dark": darken}, tmp_path)


def test_a_run_goes_on_from_its_results(composites_folder, tmp_path):
    found, made = read_composites(composites_folder), []

    def method(pasted):
        made.append(pasted.id)
        return darken(pasted)

    measure(found[:1], {"dark": method}, tmp_path)
    (first, second) = measure(found, {"dark": method}, tmp_path)
    assert made == ["011", "003"]
    assert (first.id, first.object, second.id) == ("011", "boy", "003")
    expected = darken(load_pasted(found[0]))
    assert (read_image(tmp_path / "dark" / "011.png") - expected).abs().max() <= 0.5 / 255 + 1e-6


def test_people_see_large_pictures_scaled_down(composites_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(composites, "SIDE", 20)
    (_, wide) = measure(read_composites(composites_folder), {"dark": darken}, tmp_path)
    assert wide.pictures["dark"].size == wide.mask.size == (20, 10)
    assert read_image(tmp_path / "dark" / "003.png").shape == (40, 80, 3)
