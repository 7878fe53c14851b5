"""How often a score prefers a true photo to its composite."""

import pytest
from typer.testing import CliRunner

from diff_harmonization.benchmarks.__main__ import app
from diff_harmonization.benchmarks.preference import Preference, measure
from diff_harmonization.data.pairs import build_pairs


def test_a_score_that_knows_and_one_that_is_blind(photos):
    pairs = list(build_pairs(photos))
    truths = [pair.truth for pair in pairs]
    scores = {
        "knows": lambda image, mask, name: float(any(image is truth for truth in truths)),
        "errs": lambda image, mask, name: -float(any(image is truth for truth in truths)),
        "blind": lambda image, mask, name: 0.5,
    }
    assert measure(pairs, scores) == {
        "knows": Preference(1.0, 1.0),
        "errs": Preference(0.0, 0.0),
        "blind": Preference(0.0, 0.5),
    }
    with pytest.raises(ValueError, match="no pairs to measure"):
        measure([], scores)


def test_the_command_prints_a_row_for_each_score(photos, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    options = ["preference", "--photos", str(photos[0].folder), "--split", "train", "--limit", "2"]
    result = CliRunner().invoke(app, options, catch_exceptions=False)
    assert result.exit_code == 0
    assert all(row in result.stdout for row in ("embedded", "embedded, whole picture", "color statistics", "%"))
