import itertools
import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner

from diff_harmonization.benchmarks import quality
from diff_harmonization.benchmarks.__main__ import app
from diff_harmonization.benchmarks.baselines import nothing, oracle_mean
from diff_harmonization.benchmarks.quality import measure, table
from diff_harmonization.data.pairs import read_pairs

WORKFLOWS = Path(quality.__file__).parents[1] / "workflows"
METHODS = ["nothing", "ColorTransfer reinhard_lab", "ColorTransfer mkl_lab", "ours, statistics"]


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
    assert all(name in result.stdout for name in METHODS)
    scores = json.loads(report.read_text())
    assert list(scores) == METHODS
    assert all([row["id"] for row in rows] == ["0", "1"] for rows in scores.values())
    assert all(row.keys() == {"id", "foreground_ratio", "psnr", "mse", "fmse"} for row in scores["nothing"])
    ours, base = (scores[name][0] for name in ("ours, statistics", "nothing"))
    assert ours["fmse"] != base["fmse"]
    assert ours["fmse"] * ours["foreground_ratio"] == pytest.approx(ours["mse"])  # the background is untouched


def test_the_loop_the_oracles_and_the_limit(run, pairs_folder, tmp_path):
    report = tmp_path / "scores.json"
    run(["quality", "--pairs", str(pairs_folder), "--limit", "1", "--json", str(report)], catch_exceptions=False)
    scores = json.loads(report.read_text())
    assert list(scores) == [*METHODS, "ours, statistics, 6 passes", "ours, oracle words", "oracle mean"]
    assert all(len(rows) == 1 for rows in scores.values())
    assert scores["oracle mean"][0]["fmse"] < scores["nothing"][0]["fmse"]
    assert scores["ours, statistics, 6 passes"] != scores["ours, statistics"]


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


def test_the_table_has_a_column_a_bin(pairs_folder):
    results = measure(read_pairs(pairs_folder), {"nothing": nothing, "oracle mean": oracle_mean})
    drawn = table(results)
    assert [str(column.header).split(":")[0] for column in drawn.columns] == [
        "method",
        "all",
        "0-5%",
        "5-15%",
        "15-100%",
        "fMSE ratio",
    ]
    assert [list(column.cells)[0] for column in drawn.columns][2:4] == ["-", "-"]
    first, second = drawn.columns[-1].cells
    assert first == "1.00x"
    assert float(second.removesuffix("x")) < 0.8


def test_no_pairs_are_an_error(pairs_folder):
    (pairs_folder / "index.csv").write_text("id,object\n")
    with pytest.raises(ValueError, match="no pairs to measure"):
        measure(read_pairs(pairs_folder), {"nothing": nothing})


def test_splits_are_named(run, photos):
    result = run(["quality", "--photos", str(photos[0].folder), "--split", "train-and-test"])
    assert result.exit_code == 2
    assert "'tune'" in result.output
