"""The values that more than one room of the engine passes on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class ImagingDescription:
    """What the picture shows (paper eq. 1): an object and the words for each region's conditions.

    Two descriptions are equal when they say the same: the order of a region's words and repeated words do not count.
    The text and the prompts keep the order.

    >>> description = ImagingDescription("dog", ("bright", "summer"), ("winter", "dull"))
    >>> str(description)
    'dog & (foreground) bright summer & (background) winter dull'
    >>> description == ImagingDescription("dog", ("summer", "bright"), ("dull", "winter"))
    True
    """

    object: str
    foreground: tuple[str, ...]
    background: tuple[str, ...]

    def __eq__(self, other: Any) -> bool:
        return self._said == other._said if isinstance(other, ImagingDescription) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._said)

    def __str__(self) -> str:
        foreground, background = " ".join(self.foreground), " ".join(self.background)
        return f"{self.object} & (foreground) {foreground} & (background) {background}"

    @property
    def foreground_prompt(self) -> str:
        """Object first, then conditions: CLIP's causal mask makes the other order worse (paper app. D)."""
        return " ".join((self.object, *self.foreground))

    @property
    def background_prompt(self) -> str:
        return " ".join((self.object, *self.background))

    @property
    def settled(self) -> bool:
        """Whether both regions have the same words, so that an edit has nothing to change."""
        return set(self.foreground) == set(self.background)

    @property
    def _said(self) -> tuple[str, frozenset[str], frozenset[str]]:
        return self.object, frozenset(self.foreground), frozenset(self.background)


class Callback(Protocol):
    """Called after each unit of work, step from 1 to total; may raise to cancel. `preview` is a clean latent [B,C,h,w]
    as predicted so far, in model space."""

    def __call__(self, step: int, total: int, preview: Tensor | None = None) -> None: ...


def silent(step: int, total: int, preview: torch.Tensor | None = None) -> None:
    """A callback that reports nothing."""
