"""The loop's benchmark on two small pairs, with the embedded model and evaluator."""

import json
from dataclasses import replace
from functools import partial

import pytest
from rich.console import Console
from rich.measure import Measurement
from typer.testing import CliRunner

from diff_harmonization.benchmarks import loop
from diff_harmonization.benchmarks.__main__ import app
from diff_harmonization.benchmarks.methods import LOOP_PASS
from diff_harmonization.benchmarks.metrics import HEADERS, Score
from diff_harmonization.loop.policy import best
from diff_harmonization.methods.zero_shot.refinement import RefinementSettings


@pytest.fixture
def run(monkeypatch):
    """The command in this process, with short passes."""
    short = replace(LOOP_PASS, steps=2, refinement=RefinementSettings(steps_per_timestep=0))
    monkeypatch.setattr(loop, "LOOP_PASS", short)
    monkeypatch.setenv("COLUMNS", "250")
    return partial(CliRunner().invoke, app)


def test_a_row_for_every_stop(run, pairs_folder, tmp_path):
    report = tmp_path / "loop.json"
    arguments = ["loop", "--pairs", str(pairs_folder), "--max-passes", "4", "--json", str(report)]
    result = run(arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert all(
        name in result.stdout
        for name in (loop.NOTHING, loop.FIRST, "pass 1", "pass 3", loop.FINAL, loop.TRUTH, "passes a pair", *HEADERS)
    )
    runs = json.loads(report.read_text())
    assert [r["id"] for r in runs] == ["0", "1"]
    for r in runs:
        states = len(r["scores"])
        assert len(r["decisions"]) == states <= 5
        assert r["answers"][loop.FINAL] == best(r["scores"])
        assert r["answers"]["pass 1"] in (0, 1)
        assert r["results"][loop.TRUTH]["fmse"] <= min(value["fmse"] for value in r["results"].values())


def test_a_run_goes_on_from_its_file(run, pairs_folder, tmp_path, monkeypatch):
    report = tmp_path / "loop.json"
    arguments = ["loop", "--pairs", str(pairs_folder), "--max-passes", "2", "--json", str(report)]
    run([*arguments, "--limit", "1"], catch_exceptions=False)
    (first,) = json.loads(report.read_text())
    measured, measure_one = [], loop.run
    monkeypatch.setattr(loop, "run", lambda *a: measured.append(a[2].id) or measure_one(*a))
    result = run(arguments, catch_exceptions=False)
    assert measured == ["1"]
    assert json.loads(report.read_text())[0] == first
    assert run(arguments, catch_exceptions=False).stdout == result.stdout
    assert measured == ["1"]


def test_a_source_of_pairs_is_needed(run):
    result = run(["loop"])
    assert result.exit_code == 2
    assert "--pairs" in result.output


EARLIER = """[{
    "id": "a", "scores": [0.4, 0.3], "decisions": ["start", "concluded"],
    "answers": {"doing nothing": 0, "pass 1 itself": 1, "all passes": 0},
    "results": {
        "doing nothing": {"psnr": 30.0, "mse": 20.0, "fmse": 200.0},
        "pass 1 itself": {"psnr": 28.0, "mse": 35.0, "fmse": 350.0},
        "all passes": {"psnr": 30.0, "mse": 20.0, "fmse": 200.0}
    }
}]"""


def test_the_table_of_a_file_counts_the_pictures_that_a_pass_made_worse(tmp_path):
    file = tmp_path / "loop.json"
    file.write_text(EARLIER)
    drawn = loop.table(loop.read_json(file))
    rows = {name: row for name, *row in zip(*(column.cells for column in drawn.columns), strict=True)}
    assert rows == {
        loop.NOTHING: ["30.00", "200", "1.00x", "0 (0%)", "1.00x", "+0", "1"],
        loop.FIRST: ["28.00", "350", "1.75x", "1 (100%)", "1.75x", "+150", "0"],
        loop.FINAL: ["30.00", "200", "1.00x", "0 (0%)", "1.00x", "+0", "1"],
    }


def test_the_table_fits_120_columns():
    row = dict.fromkeys((loop.NOTHING, loop.FIRST, loop.FINAL, loop.TRUTH), Score(30.12, 12345, 12345))
    drawn = loop.table([loop.Run("a", (0.5,), ("start",), dict.fromkeys(row, 0), row)] * 100)
    assert Measurement.get(Console(width=250), Console(width=250).options, drawn).maximum <= 120
