"""The states of a loop under way, and what the loop gives in the end."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from ..core.errors import InputError
from ..core.types import ImagingDescription
from .policy import Action, Decision, LoopPolicy, decide


def require_one_picture(image: Tensor) -> None:
    """Refuse a batch [B,H,W,3] of more than one picture: each has a loop of its own.

    Raises:
        InputError: when there is not exactly one.
    """
    if len(image) != 1:
        raise InputError("image", f"got a batch of {len(image)} pictures, expected one; loop over one at a time.")


@dataclass(frozen=True)
class LoopStates:
    """The states so far. State 0 is the composite; pass n makes state n."""

    policy: LoopPolicy
    images: tuple[Tensor, ...] = field(repr=False)  # each [1,H,W,3], sRGB in 0-1, as computed: never rounded
    scores: tuple[float, ...]
    descriptions: tuple[ImagingDescription | None, ...] = (None,)  # None for the composite, and where it is not known

    @property
    def count(self) -> int:
        """Number of finished passes."""
        return len(self.images) - 1

    def add(self, image: Tensor, score: float, description: ImagingDescription | None) -> LoopStates:
        """The states after one more pass.

        Args:
            image: what the pass made, [1,H,W,3].
            score: its score.
            description: the description that the pass followed, or None.

        Raises:
            InputError: when the picture does not have the composite's size.
        """
        if image.shape != self.images[0].shape:
            raise InputError(
                "image",
                f"pass {self.count + 1} made {_size(image)}, expected {_size(self.images[0])} like the loop's image. "
                f"Fit a color LUT to the edit and apply it to the loop's image.",
            )
        return replace(
            self,
            images=(*self.images, image),
            scores=(*self.scores, score),
            descriptions=(*self.descriptions, description),
        )

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """One for each state; the last one says what comes next."""
        return decide(self.scores, self.policy, self.descriptions)

    @property
    def concluded(self) -> bool:
        return self.decisions[-1].action == "conclude"

    @property
    def repeated_trial(self) -> int | None:
        """The earlier trial whose description the latest trial repeats, if there is one."""
        latest = self.descriptions[-1]
        repeats = latest is not None and self.count <= self.policy.k and latest in self.descriptions[:-1]
        return self.descriptions.index(latest) if repeats else None

    def result(self) -> LoopResult:
        """What the loop gives if it ends here."""
        decisions = self.decisions
        chosen = decisions[-1].source
        actions: tuple[Action, ...] = tuple(decision.action for decision in decisions)
        return LoopResult(
            image=self.images[chosen],
            images=torch.cat(self.images),
            scores=self.scores,
            descriptions=self.descriptions,
            actions=actions,
            chosen=chosen,
        )

    def summary(self) -> str:
        """A line for each state: its score, its description, and the decision on it."""
        lines = []
        for index, (decision, description) in enumerate(zip(self.decisions, self.descriptions, strict=True)):
            then = {
                "continue": f"continue from {decision.source}",
                "regenerate": f"back to {decision.source}, another description",
                "conclude": f"conclude: {decision.source} is best",
            }.get(decision.action, decision.action)
            name = f"pass {index}" if index else "composite"
            lines.append(f"{name}: {self.scores[index]:.4f}  {description or ''}  -> {then}")
        return "\n".join(lines)


@dataclass(frozen=True, kw_only=True)
class LoopResult:
    """What a loop gives. The sequences hold one entry for each state, the composite first."""

    image: Tensor  # [1,H,W,3], the best state's
    images: Tensor  # [n+1,H,W,3]
    scores: tuple[float, ...]
    descriptions: tuple[ImagingDescription | None, ...]
    actions: tuple[Action, ...]
    chosen: int  # index of the best state


def _size(image: Tensor) -> str:
    return f"{image.shape[2]}x{image.shape[1]} (batch of {image.shape[0]}, {image.shape[3]} channels)"
