import json

import numpy as np
import pytest
from typer.testing import CliRunner

from diff_harmonization.benchmarks.__main__ import app
from diff_harmonization.benchmarks.votes import Vote, bradley_terry, count_wins, read_votes, standings, table


def votes_of(*counts, a="a", b="b", composites=5):
    """So many votes for a, for b and for neither; sides and composites change in turn."""
    choices = [choice for choice, count in zip(("left", "right", "none"), counts, strict=True) for _ in range(count)]
    mirrored = {"left": "right", "right": "left", "none": "none"}
    return [
        Vote(str(i % composites), a, b, choice) if i % 2 else Vote(str(i % composites), b, a, mirrored[choice])
        for i, choice in enumerate(choices)
    ]


def test_counts_do_not_depend_on_the_side():
    a, b = standings(votes_of(6, 3, 2))
    assert (a.method, a.wins, a.losses, a.ties) == ("a", 6, 3, 2)
    assert (b.method, b.wins, b.losses, b.ties) == ("b", 3, 6, 2)
    assert a.voting_rate == pytest.approx(7 / 11)


def test_two_methods_have_their_voting_rates_as_scores():
    """The closed form of two: the share of wins."""
    a, b = standings(votes_of(6, 3, 2))
    assert a.score == pytest.approx(7 / 11)
    assert b.score == pytest.approx(4 / 11)


def test_strengths_are_found_again_from_their_own_expectations():
    true = np.array([0.5, 0.3, 0.15, 0.05])
    wins = 100 * true[:, None] / (true[:, None] + true)
    np.fill_diagonal(wins, 0)
    wins[0, 3] = wins[3, 0] = 0  # they need not all meet
    assert bradley_terry(wins) == pytest.approx(true, abs=1e-6)


def test_many_tables_are_solved_as_one_by_one():
    wins = np.random.default_rng(0).integers(1, 9, (5, 3, 3)) * (1 - np.eye(3))
    assert bradley_terry(wins) == pytest.approx(np.stack([bradley_terry(one) for one in wins]), abs=1e-7)


def test_a_method_that_never_wins_has_the_score_0():
    found = standings([*votes_of(4, 0, 0, b="c"), *votes_of(3, 1, 0), *votes_of(2, 0, 0, a="b", b="c")])
    assert [standing.method for standing in found] == ["a", "b", "c"]
    assert [standing.score for standing in found] == pytest.approx([0.75, 0.25, 0])


def test_a_group_that_loses_every_vote_goes_to_0():
    found = standings([*votes_of(4, 0, 0), *votes_of(4, 0, 0, b="c"), *votes_of(2, 2, 0, a="b", b="c")])
    assert [standing.score for standing in found] == pytest.approx([1, 0, 0], abs=1e-3)


def test_a_method_without_votes_has_no_strength():
    wins = np.array([[0, 3.0, 0], [1.0, 0, 0], [0, 0, 0]])
    assert bradley_terry(wins)[:2] == pytest.approx([0.75, 0.25])
    assert np.isnan(bradley_terry(wins)[2])


def test_wins_are_counted_for_each_composite():
    wins = count_wins([Vote("7", "a", "b", "left"), Vote("7", "b", "a", "none"), Vote("2", "b", "a", "left")], "ab")
    assert wins.tolist() == [[[0, 0], [1, 0]], [[0, 1.5], [0.5, 0]]]


def test_intervals_hold_the_score_and_narrow_with_more_composites():
    few, many = (standings(votes_of(6 * n, 3 * n, n, composites=10 * n))[0] for n in (1, 10))
    for standing in (few, many):
        low, high = standing.interval
        assert 0 <= low < standing.score < high <= 1
    assert many.interval[1] - many.interval[0] < 0.5 * (few.interval[1] - few.interval[0])


def test_more_votes_on_the_same_composites_narrow_nothing():
    votes = votes_of(6, 3, 1, composites=10)
    once, often = standings(votes)[0], standings(votes * 20)[0]
    assert often.interval == pytest.approx(once.interval)


def test_one_composite_has_no_interval():
    found = standings(votes_of(2, 1, 0, composites=1))
    assert found[0].interval is None
    assert [list(column.cells) for column in table(found).columns][-1] == ["-", "-"]


def test_methods_that_never_meet_have_no_common_scale():
    with pytest.raises(ValueError, match="No votes connect all methods"):
        standings([*votes_of(1, 1, 0), *votes_of(1, 1, 0, a="c", b="d")])


def test_no_votes_are_an_error():
    with pytest.raises(ValueError, match="no votes"):
        standings([])


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("<html>", "is no file of votes"),
        ("[]", "is no file of votes"),
        ('{"votes": [{"left": "a"}]}', "is no file of votes"),
        ('{"votes": [{"composite": "1", "left": "a", "right": "b", "choice": "up"}]}', "cannot be"),
        ('{"votes": [{"composite": "1", "left": "a", "right": "a", "choice": "left"}]}', "cannot be"),
    ],
)
def test_other_files_are_refused(tmp_path, text, match):
    (tmp_path / "votes.json").write_text(text)
    with pytest.raises(ValueError, match=match):
        read_votes(tmp_path / "votes.json")


def test_the_command_counts_several_files_together(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "150")
    for name, counts in (("one", (3, 1, 0)), ("two", (2, 0, 2))):
        (tmp_path / f"{name}.json").write_text(json.dumps({"votes": [vars(vote) for vote in votes_of(*counts)]}))
    files = [str(tmp_path / f"{name}.json") for name in ("one", "two")]
    result = CliRunner().invoke(app, ["votes", *files], catch_exceptions=False)
    assert result.exit_code == 0
    assert "n=8" in result.stdout
    first = next(line for line in result.stdout.splitlines() if "0.750" in line)
    assert [cell.strip() for cell in first.split("│")[1:7]] == ["a", "5", "1", "2", "75%", "0.750"]
