import itertools
import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console
from rich.measure import Measurement
from typer.testing import CliRunner

from diff_harmonization.benchmarks import quality
from diff_harmonization.benchmarks.__main__ import app
from diff_harmonization.benchmarks.baselines import nothing
from diff_harmonization.benchmarks.metrics import HEADERS, Score
from diff_harmonization.benchmarks.quality import area_table, measure, read_json, table
from diff_harmonization.data.pairs import read_pairs

WORKFLOWS = Path(quality.__file__).parents[1] / "workflows"
METHODS = [
    "nothing",
    "ColorTransfer reinhard_lab",
    "ColorTransfer mkl_lab",
    "zero-shot, one pass",
    "routed",
    "routed, S = 1 everywhere",
    "routed, judged",
]
ROWS = {
    "nothing": [("a", 0.02, Score(30, 10, 1000)), ("b", 0.2, Score(40, 20, 100)), ("c", 0.3, Score(20, 30, 100))],
    "method": [("b", 0.2, Score(36, 50, 150)), ("a", 0.02, Score(33, 10, 0)), ("c", 0.3, Score(24, 30, 350))],
}


@pytest.fixture
def run(monkeypatch):
    """The command in this process, with passes of three steps."""
    for name in ("ONE_PASS", "LOOP_PASS"):
        monkeypatch.setattr(quality, name, replace(getattr(quality, name), steps=3))
    monkeypatch.setenv("COLUMNS", "250")
    return partial(CliRunner().invoke, app)


def test_quality_prints_a_row_a_method_and_writes_each_pairs_scores(run, pairs_folder, tmp_path):
    report = tmp_path / "scores.json"
    result = run(
        ["quality", "--pairs", str(pairs_folder), "--no-loop", "--no-oracle", "--json", str(report)],
        catch_exceptions=False,
    )
    assert result.exit_code == 0
    assert all(result.stdout.count(name) >= 2 for name in METHODS)  # over all pairs, and by area
    assert all(header in result.stdout for header in HEADERS)
    scores = json.loads(report.read_text())
    assert list(scores) == METHODS
    assert all([row["id"] for row in rows] == ["0", "1"] for rows in scores.values())
    assert all(row.keys() == {"id", "foreground_ratio", "psnr", "mse", "fmse"} for row in scores["nothing"])
    ours, base = (scores[name][0] for name in ("zero-shot, one pass", "nothing"))
    assert ours["fmse"] != base["fmse"]
    assert ours["fmse"] * ours["foreground_ratio"] == pytest.approx(ours["mse"])  # the background is untouched


def test_the_loop_the_oracles_and_the_limit(run, pairs_folder, tmp_path):
    report = tmp_path / "scores.json"
    run(["quality", "--pairs", str(pairs_folder), "--limit", "1", "--json", str(report)], catch_exceptions=False)
    scores = json.loads(report.read_text())
    loops = [
        "zero-shot, 6 passes",
        "zero-shot, 6 passes, words follow",
        "zero-shot loop with proposals",
        "routed, then 6 passes",
    ]
    oracles = ["zero-shot, oracle words", "oracle mean"]
    assert list(scores) == [*METHODS, *loops, *oracles]
    assert all(len(rows) == 1 for rows in scores.values())
    assert scores["oracle mean"][0]["fmse"] < scores["nothing"][0]["fmse"]
    assert scores["zero-shot, 6 passes"] != scores["zero-shot, one pass"]


def test_a_run_goes_on_from_its_file(pairs_folder, tmp_path):
    report, measured = tmp_path / "scores.json", []

    def method(name):
        return lambda pair: measured.append((name, pair.id)) or pair.composite

    first = measure(itertools.islice(read_pairs(pairs_folder), 1), {"nothing": method("nothing")}, json_file=report)
    both = {"nothing": method("nothing"), "other": method("other")}
    results = measure(read_pairs(pairs_folder), both, json_file=report)
    assert measured == [("nothing", "0"), ("other", "0"), ("nothing", "1"), ("other", "1")]
    assert results["nothing"][0] == first["nothing"][0]
    assert measure(read_pairs(pairs_folder), both, json_file=report) == results
    assert len(measured) == 4
    measure(read_pairs(pairs_folder), {"third": method("third")}, json_file=report)  # keeps what others are there
    assert list(json.loads(report.read_text())) == ["third", "nothing", "other"]


def test_a_source_of_pairs_is_needed(run):
    result = run(["quality"])
    assert result.exit_code == 2
    assert "--pairs" in result.output


def read_table(drawn):
    """A table's rows, each as header -> cell."""
    headers = [str(column.header) for column in drawn.columns]
    return [dict(zip(headers, row, strict=True)) for row in zip(*(c.cells for c in drawn.columns), strict=True)]


def test_the_table_compares_pairs_of_the_same_id():
    nothing_row, method_row = read_table(table(ROWS))
    assert list(nothing_row.values()) == ["nothing", "30.00", "20", "400", "1.00x", "0 (0%)", "1.00x", "+0"]
    assert method_row == {
        "method": "method",
        "PSNR, dB": "31.00",
        "MSE": "30",
        "fMSE": "167",
        "fMSE ratio": "0.42x",
        "visibly worse": "1 (33%)",
        "ratio, 95th percentile": "3.30x",
        "worst": "+250",
    }


def test_the_table_by_area_has_a_column_a_bin():
    nothing_row, method_row = read_table(area_table(ROWS))
    assert nothing_row == {
        "method": "nothing",
        "0-5% (n=1)": "30.00 / 10 / 1000",
        "5-15% (n=0)": "-",
        "15-100% (n=2)": "30.00 / 25 / 100",
    }
    assert list(method_row.values()) == ["method", "33.00 / 10 / 0", "-", "30.00 / 40 / 250"]


@pytest.mark.parametrize("draw", [table, area_table])
def test_the_tables_fit_120_columns(draw):
    large = [(name, ratio, Score(23.23, 12345, 12345)) for name, ratio, _ in ROWS["nothing"]]
    drawn = draw(dict.fromkeys(["nothing", "zero-shot, 6 passes", "ColorTransfer reinhard_lab"], large))
    assert Measurement.get(Console(width=250), Console(width=250).options, drawn).maximum <= 120


def test_a_file_of_scores_is_read(tmp_path):
    file = tmp_path / "scores.json"
    file.write_text("""{
        "nothing": [{"id": "a", "foreground_ratio": 0.1, "psnr": 25.7, "mse": 173.8, "fmse": 1172.8}],
        "zero-shot, one pass": [{"id": "a", "foreground_ratio": 0.1, "psnr": 26.5, "mse": 144.4, "fmse": 974.2}]
    }""")
    read = read_json(file)
    assert read["nothing"] == {"a": ("a", 0.1, Score(25.7, 173.8, 1172.8))}
    assert list(read) == ["nothing", "zero-shot, one pass"]


def test_no_pairs_are_an_error(pairs_folder):
    (pairs_folder / "index.csv").write_text("id,object\n")
    with pytest.raises(ValueError, match="no pairs to measure"):
        measure(read_pairs(pairs_folder), {"nothing": nothing})


def test_splits_are_named(run, photos):
    result = run(["quality", "--photos", str(photos[0].folder), "--split", "train-and-test"])
    assert result.exit_code == 2
    assert "'tune'" in result.output
