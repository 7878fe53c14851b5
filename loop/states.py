"""The states of a loop under way, and what the loop gives in the end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from ..core.errors import InputError
from ..core.types import ImagingDescription
from .policy import Action, Decision, LoopPolicy, Verdict, answer, decide, verdicts

WHAT_TO_DO = (
    "You can raise strength or amount, type other words, or take a proposal or a pass that you like at full size "
    '(docs/troubleshooting.md, "You like another pass better").'
)


def require_one_picture(image: Tensor) -> None:
    """Refuse a batch [B,H,W,3] of more than one picture: each has a loop of its own.

    Raises:
        InputError: when there is not exactly one.
    """
    if len(image) != 1:
        raise InputError(
            "image",
            f"got a batch of {len(image)} pictures, expected one. Run one after another: Get Image from Batch gives "
            f"one of them. The routed network alone takes a batch.",
        )


def require_proposals(pictures: Sequence[Tensor], composite: Tensor) -> None:
    """Refuse proposals of another size than the composite, [1,H,W,3].

    Raises:
        InputError: when there is one.
    """
    for number, picture in enumerate(pictures, 1):
        if picture.shape != composite.shape:
            raise InputError(
                "proposals",
                f"proposal {number} is {_size(picture)}, expected {_size(composite)} like the loop's image. Make it "
                f"from that image.",
            )


def state_names(states: int, proposals: int) -> tuple[str, ...]:
    """What people call the states: the composite, then proposals, then passes, each counted from 1.

    Args:
        states: how many there are.
        proposals: how many of them are proposals.
    """
    passes = range(1, states - proposals)
    return ("composite", *(f"proposal {n}" for n in range(1, proposals + 1)), *(f"pass {n}" for n in passes))


@dataclass(frozen=True)
class LoopStates:
    """The states so far: the composite, the proposals, and one for each pass."""

    policy: LoopPolicy
    images: tuple[Tensor, ...] = field(repr=False)  # each [1,H,W,3], sRGB in 0-1, as computed: never rounded
    scores: tuple[float, ...]
    descriptions: tuple[ImagingDescription | None, ...] = (None,)  # None where there is none, and where it is not known
    distances: tuple[float, ...] = (0.0,)  # how far each look leaves what is plausible
    proposals: tuple[str, ...] = ()  # how each proposal was made, in words

    @property
    def count(self) -> int:
        """Number of finished passes."""
        return len(self.images) - 1 - len(self.proposals)

    def propose(self, made: str, image: Tensor, score: float, distance: float = 0.0) -> LoopStates:
        """The states with one more proposal; all proposals come before the first pass.

        Args:
            made: how, in words.
            image: what another method made of the composite, see `require_proposals`.
            score: its score.
            distance: how far its look leaves what is plausible.
        """
        return replace(self, proposals=(*self.proposals, made))._with(image, score, None, distance)

    def add(
        self, image: Tensor, score: float, description: ImagingDescription | None, distance: float = 0.0
    ) -> LoopStates:
        """The states after one more pass.

        Args:
            image: what the pass made, [1,H,W,3].
            score: its score.
            description: the description that the pass followed, or None.
            distance: how far its look leaves what is plausible.

        Raises:
            InputError: when the picture does not have the composite's size.
        """
        self.require_pass(image)
        return self._with(image, score, description, distance)

    def require_pass(self, image: Tensor) -> None:
        """Refuse what the next pass made if it does not have the composite's size.

        Raises:
            InputError: when it does not.
        """
        if image.shape != self.images[0].shape:
            raise InputError(
                "image",
                f"pass {self.count + 1} made {_size(image)}, expected {_size(self.images[0])} like the loop's image. "
                f"Fit a color LUT to the edit and apply it to the loop's image.",
            )

    def _with(self, image: Tensor, score: float, description: ImagingDescription | None, distance: float) -> LoopStates:
        return replace(
            self,
            images=(*self.images, image),
            scores=(*self.scores, score),
            descriptions=(*self.descriptions, description),
            distances=(*self.distances, distance),
        )

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """One for each state; the last one says what comes next."""
        return decide(
            self.scores,
            self.policy,
            self.descriptions,
            proposals=len(self.proposals),
            distances=self.distances,
            settled=self.settled,
        )

    @property
    def settled(self) -> tuple[bool, ...]:
        """For each state, whether the words of its pass asked for nothing."""
        return tuple(description is not None and description.settled for description in self.descriptions)

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """One for each state: whether it may be the answer, and why."""
        return verdicts(self.scores, self.policy, self.distances, len(self.proposals))

    @property
    def chosen(self) -> int:
        """The answer if the loop ends here."""
        return answer(self.scores, self.policy, self.distances, len(self.proposals))

    @property
    def concluded(self) -> bool:
        return self.decisions[-1].action == "conclude"

    @property
    def repeated_trial(self) -> int | None:
        """The earlier trial whose description the latest trial repeats, if there is one."""
        latest = self.descriptions[-1]
        repeats = latest is not None and self.count <= self.policy.k and latest in self.descriptions[:-1]
        return self.descriptions.index(latest) - len(self.proposals) if repeats else None

    def require_state(self, state: int) -> int:
        """The number of a state that there is.

        Raises:
            InputError: when there is none of this number.
        """
        if not 0 <= state < len(self.images):
            last = len(self.images) - 1
            raise InputError("take", f"got {state}, and the loop has the pictures 0 (the composite) to {last}.")
        return state

    def origin(self, state: int) -> int:
        """Where the passes that led to a state began: the composite, 0, or a proposal. Each is its own origin."""
        decisions = self.decisions
        while state > len(self.proposals):
            state = decisions[state - 1].source
        return state

    def result(self, take: int | None = None) -> LoopResult:
        """What the loop gives if it ends here.

        Args:
            take: the state to give in place of the one that the loop chose.

        Raises:
            InputError: when there is no such state.
        """
        chosen = self.chosen if take is None else self.require_state(take)
        return LoopResult(
            image=self.images[chosen],
            images=torch.cat(self.images),
            scores=self.scores,
            descriptions=self.descriptions,
            proposals=self.proposals,
            actions=tuple(decision.action for decision in self.decisions),
            reasons=self.reasons(),
            chosen=chosen,
        )

    def reasons(self) -> tuple[str, ...]:
        """For each state, why it was taken or refused as the answer; empty for the composite.

        A state that was taken is the answer until a later one is taken.
        """
        return tuple(self._reason(state, verdict) for state, verdict in enumerate(self.verdicts))

    def _name(self, state: int) -> str:
        """What people call a state in a sentence."""
        return self.names[state] if state else "the composite"

    def _reason(self, state: int, verdict: Verdict) -> str:
        rival, gain = self._name(verdict.rival), self.scores[state] - self.scores[verdict.rival]
        match verdict.reason:
            case "first":
                return ""
            case "better":
                return f"taken: beats {rival} by {gain:.3f}"
            case "too little":
                margin = f" by more than {verdict.needed:g}" if gain > 0 else ""
                return f"refused: does not beat {rival}{margin}"
            case "weaker":
                return f"refused: gains less than {self.policy.enough:.0%} of what another proposal gains"
            case "stronger":
                return f"refused: {rival} gains nearly as much with less change"
            case "implausible" if math.isinf(self.distances[state]):
                return "refused: looks implausible, its light and shade are lost or inverted"
            case "implausible":
                return (
                    f"refused: looks implausible, {self.distances[state]:.1f} from the usual look, more than "
                    f"{max(self.policy.farthest, self.distances[0]):.1f}"
                )

    def told(self) -> tuple[str, ...]:
        """For each state, the words that it followed, or how a proposal was made; empty for the composite."""
        return ("", *self.proposals, *(str(words or "") for words in self.descriptions[1 + len(self.proposals) :]))

    @property
    def names(self) -> tuple[str, ...]:
        """What people call the states."""
        return state_names(len(self.images), len(self.proposals))

    def summary(self) -> str:
        """A line for each state: its score, its description, the decision on it, and why it was taken or refused.

        Where the loop has concluded with the composite, sentences on what happened and what to do follow.
        """
        told, lines = self.told(), []
        for state, (decision, reason) in enumerate(zip(self.decisions, self.reasons(), strict=True)):
            why = "nothing left to change, " if self.settled[state] else ""
            then = {
                "continue": f"continue from {self._name(decision.source)}",
                "regenerate": f"back to {self._name(decision.source)}, another description",
                "conclude": f"{why}conclude: {self._name(decision.source)} is the result",
            }.get(decision.action, decision.action)
            lines.append(f"{self.names[state]}: {self.scores[state]:.4f}  {told[state]}  -> {then}")
            lines[-1] += f"; {reason}" if reason else ""
        if self.concluded and self.chosen == 0:
            lines += ["", self._why_nothing(), WHAT_TO_DO]
        return "\n".join(lines)

    def _why_nothing(self) -> str:
        """Why the composite is the answer, in plain words."""
        kept = "The composite is returned unchanged."
        reasons = {verdict.reason for verdict in self.verdicts}
        if "implausible" in reasons:
            return f"{kept} The judge liked another picture better, but the object in it does not look plausible."
        if max(self.scores) > self.scores[0]:
            gain = max(self.scores) - self.scores[0]
            return f"{kept} The judge liked another picture better by only {gain:.4f}, which is too little to trust."
        return f"{kept} The judge liked no change better."


@dataclass(frozen=True, kw_only=True)
class LoopResult:
    """What a loop gives. The sequences hold one entry for each state, the composite first, but for `proposals`."""

    image: Tensor  # [1,H,W,3], the chosen state's
    images: Tensor  # [n+1,H,W,3]
    scores: tuple[float, ...]
    descriptions: tuple[ImagingDescription | None, ...]
    proposals: tuple[str, ...]  # how each proposal was made, in words; they are the states after the composite
    actions: tuple[Action, ...]
    reasons: tuple[str, ...]  # why each was taken or refused; empty for the composite
    chosen: int  # index of the answer


def _size(image: Tensor) -> str:
    return f"{image.shape[2]}x{image.shape[1]} (batch of {image.shape[0]}, {image.shape[3]} channels)"
