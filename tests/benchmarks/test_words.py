from dataclasses import replace

import pytest
import torch
from rich.console import Console
from rich.measure import Measurement
from typer.testing import CliRunner

from diff_harmonization.benchmarks import methods
from diff_harmonization.benchmarks.__main__ import app
from diff_harmonization.benchmarks.words import PAIRS, STRENGTHS, Moved, asked_offset, single_changes, table
from diff_harmonization.data.photos import split_ids
from diff_harmonization.description.statistics.words import NEUTRAL
from diff_harmonization.description.vocabulary import WORDS

DARK = (NEUTRAL, "dark")


def moved(change, *by_strength):
    return Moved(change, asked_offset(change), torch.tensor(by_strength))


def along_lightness(*values, beside=0.0):
    return moved(DARK, *([value, 0.0, beside, 0.0, 0.0] for value in values))


def test_every_word_that_says_something_is_asked_for():
    words = [word for _, word in single_changes()]
    assert set(words) < set(WORDS) and {"dark", "winter", "ocean"} < set(words)
    assert not {"windy", NEUTRAL} & set(words)
    assert all(before == NEUTRAL for before, _ in single_changes())
    assert all(asked_offset(change).any() for change in (*single_changes(), *PAIRS))
    assert not set(PAIRS) & set(single_changes())


def test_a_pair_asks_for_the_way_between_its_words_and_the_neutral_word_for_nothing():
    torch.testing.assert_close(asked_offset(DARK), torch.tensor([-2.0, 0.0, 0.0, 0.0, 0.0]))
    torch.testing.assert_close(asked_offset(("warm", "cold")), torch.tensor([0.0, 0.0, -1.85, 0.0, 0.0]))


@pytest.mark.parametrize(
    ("values", "right", "monotonous"),
    [
        ((-0.2, -0.5, -0.6), True, True),
        ((-0.2, -0.6, -0.5), True, False),
        ((0.1, -0.5, -0.6), True, False),
        ((0.2, 0.5, 0.6), False, True),
    ],
)
def test_direction_and_growth_are_judged_apart(values, right, monotonous):
    one = along_lightness(*values)
    assert (one.right, one.monotonous) == (right, monotonous)
    torch.testing.assert_close(one.along, -torch.tensor(values))


def test_sizes_are_means_over_the_named_and_the_other_axes():
    one = along_lightness(0.0, -0.8, 0.0, beside=0.2)
    assert one.mean_size(named=True) == pytest.approx(0.8)
    assert one.mean_size(named=False) == pytest.approx(0.2 / 4)


def read_table(drawn):
    return {name: cells for name, *cells in zip(*(column.cells for column in drawn.columns), strict=True)}


def test_the_table_has_a_row_for_each_change_and_the_means():
    found = [
        along_lightness(-0.2, -0.5, -0.6, beside=0.2),
        along_lightness(0.05, 0.1, 0.2, beside=-0.12),
        moved(("warm", "cold"), *([0.0, 0.0, -s, 0.0, 0.0] for s in STRENGTHS)),
    ]
    rows = read_table(table(found))
    assert list(rows) == ["dark", "all words", "warm -> cold", "all pairs", "all"]
    assert rows["dark"] == ["50%", "0.20 / 2.00", "0.13", "100%", "yellow_blue +0.04"]
    assert rows["warm -> cold"][:4] == ["100%", "0.70 / 1.85", "0.00", "100%"]
    assert rows["all"][0] == "67%"


def test_the_table_fits_120_columns():
    drawn = table([moved(change, *torch.randn(len(STRENGTHS), 5).tolist()) for change in (*single_changes(), *PAIRS)])
    assert Measurement.get(Console(width=250), Console(width=250).options, drawn).maximum <= 120


@pytest.fixture
def run(monkeypatch, write_set):
    """The command on one photo, with passes of two steps and two changes of words."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(methods, "ONE_PASS", replace(methods.ONE_PASS, steps=2))
    monkeypatch.setattr("diff_harmonization.benchmarks.words.PAIRS", PAIRS[:1])
    monkeypatch.setattr("diff_harmonization.benchmarks.words.WORDS", ("dark",))
    folder = write_set([split_ids()["tune"][0]], [])
    return lambda *options: CliRunner().invoke(app, ["words", "--photos", str(folder), *options])


def test_the_command_prints_words_and_pairs(run):
    result = run()
    assert result.exit_code == 0, result.output
    assert all(row in result.stdout for row in ("dark", "all words", "autumn -> winter", "all pairs"))
    assert run("--no-refinement").stdout != result.stdout


def test_no_photos_are_an_error(run):
    result = run("--split", "report")
    assert isinstance(result.exception, ValueError) and "no photos to edit" in str(result.exception)
