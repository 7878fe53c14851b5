"""The loops that ran last, so that another of their pictures can be taken without a new run.

Nothing that a loop was made of is kept: of pictures a hash, of models a weak reference.
"""

from __future__ import annotations

import hashlib
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

KEPT = 2  # loops


@dataclass(frozen=True)
class Plain:
    """A value that is compared by what it says."""

    value: Any


@dataclass(frozen=True)
class _Loop:
    made_of: tuple[Callable[[Any], bool], ...]  # each knows one thing again
    outcome: Any


_loops: dict[str, _Loop] = {}  # by their keys, the latest last


def remember(key: str, made_of: tuple[Any, ...], outcome: Any) -> None:
    """Keep what a loop made.

    Args:
        key: what the loop is known by.
        made_of: all that the outcome depends on.
        outcome: anything; it should be small.
    """
    _loops.pop(key, None)
    _loops[key] = _Loop(tuple(map(_recognizer, made_of)), outcome)
    while len(_loops) > KEPT:
        del _loops[next(iter(_loops))]


def recall(key: str, made_of: tuple[Any, ...]) -> Any:
    """What the latest loop of this key made, if it was of the same; else None."""
    loop = _loops.get(key)
    if loop is None or len(loop.made_of) != len(made_of):
        return None
    same = all(known(thing) for known, thing in zip(loop.made_of, made_of, strict=True))
    return loop.outcome if same else None


def _recognizer(thing: Any) -> Callable[[Any], bool]:
    """Pictures are the same if all their numbers are, `Plain` values if they are equal, models if they are one."""
    if thing is None or isinstance(thing, Plain):
        return lambda other: other == thing
    if isinstance(thing, Tensor):
        known = _hash(thing)
        return lambda other: isinstance(other, Tensor) and _hash(other) == known
    seen = weakref.ref(thing)
    return lambda other: other is not None and seen() is other  # a model that is gone gives None


def _hash(picture: Tensor) -> tuple[Any, ...]:
    values = picture.detach().cpu().contiguous()
    return values.shape, values.dtype, hashlib.blake2b(values.view(torch.uint8).numpy().data).digest()
