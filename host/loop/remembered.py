"""The loops that ran last, so that another of their pictures can be taken without a new run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

KEPT = 4  # loops; each holds its passes, and a full picture for each proposal


@dataclass(frozen=True)
class _Loop:
    made_of: tuple[Any, ...]
    outcome: Any


_loops: dict[str, _Loop] = {}  # by their keys, the latest last


def remember(key: str, made_of: tuple[Any, ...], outcome: Any) -> None:
    """Keep what a loop made.

    Args:
        key: what the loop is known by.
        made_of: all that the outcome depends on.
        outcome: anything.
    """
    _loops.pop(key, None)
    _loops[key] = _Loop(made_of, outcome)
    while len(_loops) > KEPT:
        del _loops[next(iter(_loops))]


def recall(key: str, made_of: tuple[Any, ...]) -> Any:
    """What the latest loop of this key made, if it was of the same; else None."""
    loop = _loops.get(key)
    if loop is None or len(loop.made_of) != len(made_of):
        return None
    return loop.outcome if all(map(_same, loop.made_of, made_of)) else None


def _same(a: Any, b: Any) -> bool:
    """Models are the same if they are one object, pictures if all their numbers are equal."""
    if a is b:
        return True
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return a.shape == b.shape and torch.equal(a, b)
    return isinstance(a, Plain) and a == b


@dataclass(frozen=True)
class Plain:
    """A value that is compared by what it says."""

    value: Any
