"""Blind votes between methods: reading what the page of `vote_page` saved, and what they say of each method."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from rich.table import Table
from scipy.sparse.csgraph import connected_components

Choice = Literal["left", "right", "none"]
RESAMPLES = 1000  # of the bootstrap
INTERVAL = (2.5, 97.5)  # percentiles: 95% of the resamples lie between them
MM_STEPS, MM_TOLERANCE = 10_000, 1e-10


@dataclass(frozen=True)
class Vote:
    """One choice between the results of two methods on the same composite."""

    composite: str  # its id
    left: str  # the method on this side
    right: str
    choice: Choice  # the side that was preferred; "none": no difference

    @property
    def winner(self) -> str | None:
        return {"left": self.left, "right": self.right}.get(self.choice)


@dataclass(frozen=True)
class Standing:
    """One method among those that it was compared with."""

    method: str
    wins: int
    losses: int
    ties: int
    score: float  # Bradley-Terry strength; those of all methods sum to 1
    interval: tuple[float, float] | None  # 95%, by bootstrap over composites; None where there is only one

    @property
    def voting_rate(self) -> float:
        """The share of its comparisons that the method won; a tie is half a win."""
        return (self.wins + self.ties / 2) / (self.wins + self.losses + self.ties)


def read_votes(path: Path) -> list[Vote]:
    """The votes of a file that the page saved.

    Raises:
        ValueError: when it is no such file.
    """
    try:
        votes = [Vote(**row) for row in json.loads(path.read_text(encoding="utf-8"))["votes"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no file of votes, as the page votes.html saves it: {error!r}.") from error
    for vote in votes:
        if vote.choice not in get_args(Choice) or vote.left == vote.right:
            raise ValueError(f"{path} has a vote that cannot be: {vote}.")
    return votes


def standings(votes: Sequence[Vote], seed: int = 0) -> list[Standing]:
    """Every method's count and score, the best score first.

    The interval comes from resampling composites with all their votes, not votes: several votes on one composite say
    less than votes on several.

    Args:
        votes: of any number of people. A tie counts as half a win of either side.
        seed: of the bootstrap.

    Raises:
        ValueError: when there are no votes, or when the methods fall into groups that no vote connects: such groups
            have no common scale.
    """
    if not votes:
        raise ValueError("There are no votes to count.")
    methods = sorted({method for vote in votes for method in (vote.left, vote.right)})
    wins = count_wins(votes, methods)
    total = wins.sum(0)
    if connected_components(total + total.T, directed=False, return_labels=False) > 1:
        raise ValueError(f"No votes connect all methods ({', '.join(methods)}): count the votes of each group alone.")
    intervals = bootstrap_intervals(wins, seed) if len(wins) > 1 else [None] * len(methods)
    found = [
        Standing(method, *_counts(votes, method), float(score), interval)
        for method, score, interval in zip(methods, bradley_terry(total), intervals, strict=True)
    ]
    return sorted(found, key=lambda standing: -standing.score)


def _counts(votes: Iterable[Vote], method: str) -> tuple[int, int, int]:
    """A method's wins, losses and ties."""
    winners = [vote.winner for vote in votes if method in (vote.left, vote.right)]
    wins, ties = winners.count(method), winners.count(None)
    return wins, len(winners) - wins - ties, ties


def count_wins(votes: Iterable[Vote], methods: Sequence[str]) -> np.ndarray:
    """[C,M,M]: on each composite, how often the method of the row won against that of the column; a tie is half."""
    votes = list(votes)
    composites = sorted({vote.composite for vote in votes})
    wins = np.zeros((len(composites), len(methods), len(methods)))
    for vote in votes:
        left, right = methods.index(vote.left), methods.index(vote.right)
        share = {"left": 1.0, "right": 0.0, "none": 0.5}[vote.choice]
        wins[composites.index(vote.composite), [left, right], [right, left]] += (share, 1 - share)
    return wins


def bradley_terry(wins: np.ndarray) -> np.ndarray:
    """The strengths under which the votes are most likely, where i wins against j with probability s_i / (s_i + s_j).

    The model is of Bradley and Terry, Rank analysis of incomplete block designs (Biometrika 39, 1952). The iteration
    is the MM algorithm of Hunter, MM algorithms for generalized Bradley-Terry models (Annals of Statistics 32, 2004).
    A method that never wins has the strength 0. Where one group of methods wins every vote against another, the
    strengths of the other go to 0, slowly: they are small then, not exact.

    Args:
        wins: [...,M,M], how often the row's method won against the column's; halves are ties.

    Returns:
        [...,M], which sum to 1. NaN for a method without a vote.
    """
    games, won = wins + wins.swapaxes(-1, -2), wins.sum(-1)
    strength = np.full(won.shape, 1 / won.shape[-1])
    for _ in range(MM_STEPS):
        pairs = strength[..., :, None] + strength[..., None, :]
        rates = np.divide(games, pairs, out=np.zeros_like(games), where=games > 0).sum(-1)
        new = np.divide(won, rates, out=np.zeros_like(won), where=won > 0)
        new /= new.sum(-1, keepdims=True)
        change, strength = np.abs(new - strength).max(), new
        if change < MM_TOLERANCE:
            break
    return np.where(games.sum(-1) > 0, strength, np.nan)


def bootstrap_intervals(wins: np.ndarray, seed: int) -> list[tuple[float, float]]:
    """The 95% interval of each method's strength, from the C composites of wins [C,M,M] drawn anew, with repeats."""
    count, methods, _ = wins.shape
    drawn = np.random.default_rng(seed).multinomial(count, [1 / count] * count, size=RESAMPLES)
    resampled = (drawn @ wins.reshape(count, -1)).reshape(RESAMPLES, methods, methods)
    low, high = np.nanpercentile(bradley_terry(resampled), INTERVAL, axis=0)
    return [(float(a), float(b)) for a, b in zip(low, high, strict=True)]


def table(found: Sequence[Standing]) -> Table:
    """A row for each method."""
    columns = ("method", "wins", "losses", "ties", "voting rate", "Bradley-Terry score", "95% interval")
    votes = sum(standing.wins + standing.losses + standing.ties for standing in found) // 2
    drawn = Table(*columns, title=f"Blind votes, n={votes}")
    for row in found:
        interval = f"{row.interval[0]:.3f} to {row.interval[1]:.3f}" if row.interval else "-"
        counts = (str(count) for count in (row.wins, row.losses, row.ties))
        drawn.add_row(row.method, *counts, f"{row.voting_rate:.0%}", f"{row.score:.3f}", interval)
    return drawn
