from dataclasses import replace

import pytest
import torch
from typer.testing import CliRunner

from diff_harmonization.benchmarks import quality
from diff_harmonization.benchmarks.__main__ import app
from diff_harmonization.benchmarks.describe import (
    METHODS,
    agreements,
    describe_pairs,
    named_shift,
    shift_table,
    words_tables,
)
from diff_harmonization.core.types import ImagingDescription
from diff_harmonization.data.pairs import read_pairs
from diff_harmonization.description.statistics.norms import load_norms


def row(category, said, true):
    (found,) = (r for r in agreements(said, true) if r.category == category)
    return found


def test_agreement_is_counted_by_category():
    said = [("bright", "warm"), ("dim",), ("warm",), ("golden", "dim")]
    true = [("bright", "cold"), ("dark",), ("warm",), ("golden", "bright")]
    brightness = row("brightness", said, true)
    assert (brightness.said, brightness.true, brightness.both) == (3, 2, 1)
    assert brightness.equal == 2 / 4  # the first, and the third, where neither says a word
    temperature = row("temperature", said, true)
    assert (temperature.said, temperature.true, temperature.both, temperature.equal) == (2, 2, 1, 3 / 4)
    assert {r.category for r in agreements(said, true)} == {"brightness", "temperature", "time", "color tone"}


def test_chance_is_the_agreement_of_shuffled_pairs():
    said, true = [("bright",), ("dim",), ()], [("bright",), ("bright",), ()]
    assert row("brightness", said, true).chance == pytest.approx((2 * 1 + 1) / 9)
    perfect = row("brightness", true, true)
    assert perfect.equal == 1
    assert perfect.chance == pytest.approx(5 / 9)


def test_a_description_asks_for_the_shift_between_its_regions():
    scale = load_norms().scale
    asked = named_shift(ImagingDescription("car", ("dark", "cold"), ("bright",)))
    torch.testing.assert_close(asked, torch.tensor([2.6, 0.0, 1.25]) * scale[:3])
    assert named_shift(ImagingDescription("car", ("dark",), ("dark",))).abs().max() == 0


def read_rows(described):
    return dict(zip(*(column.cells for column in shift_table(described).columns), strict=True))


def test_words_of_the_truth_explain_more_than_nothing(pairs_folder):
    described = describe_pairs(read_pairs(pairs_folder))
    assert len(described) == 2
    assert all(d.found[0].foreground == d.true.foreground for d in described)
    rows = read_rows(described)
    best, first = (
        float(rows[f"statistics: {name}"])
        for name in ("the best alternative, or nothing", "alternative 0, or nothing where that is better")
    )
    assert best >= first >= 0
    assert best >= float(rows["statistics: the best alternative"])
    assert float(rows["words of the true photo"]) > 0.3
    assert len(words_tables(described)) == 1


def test_a_harmonizer_that_finds_the_truth_says_its_words(pairs_folder):
    described = describe_pairs(read_pairs(pairs_folder), harmonizer=lambda pair: pair.truth)
    rows = read_rows(described)
    assert rows["harmonizer: alternative 0"] == rows["words of the true photo"]
    assert {name.removeprefix("harmonizer: ") for name in rows if name.startswith("harmonizer")} == {
        name.removeprefix("statistics: ") for name in rows if name.startswith("statistics")
    }
    _, by_harmonizer = words_tables(described)
    assert set(by_harmonizer.columns[3].cells) == {"1.00"}  # precision


def test_a_row_says_what_importance_brings(pairs_folder):
    pairs = list(read_pairs(pairs_folder))
    for pair in pairs:
        pair.composite[:4] = 0
    top = torch.zeros_like(pairs[0].mask)
    top[:4] = 1

    def rows(importance):
        return read_rows(describe_pairs(pairs, importance=importance))

    row = "statistics, weighed by importance"
    plain, even, dark = (rows(importance) for importance in (None, lambda pair: pair.mask + 1, lambda pair: top))
    assert row not in plain
    assert even == plain | {row: plain["statistics: alternative 0"]}
    assert dark == plain | {row: dark[row]} and dark[row] != even[row]


def test_no_pairs_are_an_error():
    with pytest.raises(ValueError, match="no pairs"):
        describe_pairs([])


@pytest.fixture
def run(monkeypatch, photos):
    monkeypatch.setattr(quality, "ONE_PASS", replace(quality.ONE_PASS, steps=2))
    monkeypatch.setenv("COLUMNS", "250")
    monkeypatch.setattr("diff_harmonization.data.photos.split_ids", lambda: {"report": [photo.id for photo in photos]})
    given = ["describe", "--photos", str(photos[0].folder)]
    return lambda *options: CliRunner().invoke(app, [*given, *options], catch_exceptions=False)


def test_the_command_prints_words_and_pictures(run):
    result = run("--limit", "1")
    assert result.exit_code == 0
    assert "Background words" in result.stdout
    assert all(name in result.stdout for name in (*METHODS, "zero-shot, one pass, harmonizer's words"))
    assert "ColorTransfer" not in result.stdout


def test_words_alone_are_quick_to_have(run):
    result = run("--words-only")
    assert result.exit_code == 0
    assert "Background words" in result.stdout
    assert "PSNR" not in result.stdout
