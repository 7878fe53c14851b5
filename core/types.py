"""The values that more than one room of the engine passes on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


@dataclass(frozen=True)
class ImagingDescription:
    """What the picture shows (paper eq. 1): an object and the words for each region's conditions.

    >>> str(ImagingDescription("dog", ("bright", "summer"), ("winter", "dull")))
    'dog & (foreground) bright summer & (background) winter dull'
    """

    object: str
    foreground: tuple[str, ...]
    background: tuple[str, ...]

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


class Callback(Protocol):
    """Called after each unit of work, step from 1 to total; may raise to cancel. `preview` is a clean latent [B,C,h,w]
    as predicted so far, in model space."""

    def __call__(self, step: int, total: int, preview: Tensor | None = None) -> None: ...


def silent(step: int, total: int, preview: torch.Tensor | None = None) -> None:
    """A callback that reports nothing."""
