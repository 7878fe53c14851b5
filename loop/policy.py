"""The loop's decisions: from the scores so far to the next pass (paper sec. 3.3).

A state is a picture with its score. State 0 is the composite, and pass n makes state n. A pass starts from the picture
of an earlier state, with a description. A description goes by its seed: another seed gives another description.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ..core.errors import InputError

Action = Literal["start", "trial", "continue", "regenerate", "conclude"]
NewDescriptions = Literal["best other trial", "next seed"]
PATIENCE = 2  # decreases


@dataclass(frozen=True, kw_only=True)
class LoopPolicy:
    """The loop's limits.

    Raises:
        InputError: when k or max_passes is below 1, or new_descriptions has another value.
    """

    k: int = 3  # trial passes; each starts from the composite and has a description of its own
    max_passes: int = 10  # trials included
    new_descriptions: NewDescriptions = "best other trial"

    def __post_init__(self) -> None:
        for name in ("k", "max_passes"):
            if getattr(self, name) < 1:
                raise InputError(name, f"got {getattr(self, name)}, expected at least 1.")
        if self.new_descriptions not in ("best other trial", "next seed"):
            raise InputError(
                "new_descriptions", f"got '{self.new_descriptions}', expected 'best other trial' or 'next seed'."
            )


@dataclass(frozen=True)
class Decision:
    """What follows once a state has its score."""

    action: Action
    source: int  # the state whose picture the next pass starts from; for "conclude", the answer
    seed: int  # of the next pass's description, counted from 0


def decide(
    scores: Sequence[float], policy: LoopPolicy, descriptions: Sequence[Hashable | None] = ()
) -> tuple[Decision, ...]:
    """One decision for each state. The last one is open: it names the next pass, or concludes with the answer.

    1. K trials start from the composite. The best of them is kept.
    2. From there each pass starts from the state before it ("continue").
    3. After two decreases in a row, s_{i+2} < s_{i+1} < s_i, the loop goes back to state i with another description
       ("regenerate"). It succeeds when a pass beats s_i; then the loop continues as in 2. It fails when two passes, in
       a row or not, score less than the pass before them; then the loop concludes.
    4. The loop also concludes after max_passes, and when there is no other description.

    The answer is the best of all states, the earliest of equals. The composite is one of them, so the answer never
    scores less than the composite. Equal scores are no decrease. The decisions on the first n states do not depend on
    max_passes, as long as it is larger than n.

    Args:
        scores: s_0 of the composite, then one for each pass.
        policy: the limits.
        descriptions: one for each score. A trial that repeats another trial's description does not count as another
            description. None where it is not known.

    Raises:
        ValueError: when there is no score, one is not finite, or there are more than the loop asked for.
    """
    if not scores:
        raise ValueError("The loop needs the composite's score to decide.")
    state = _Loop(policy, (), Decision("start", 0, 0), tuple(descriptions)).after(scores[0])
    found = [state.decision]
    for score in scores[1:]:
        state = state.after(score)
        found.append(state.decision)
    return tuple(found)


@dataclass(frozen=True)
class _Loop:
    """The state machine; `after` is its only transition."""

    policy: LoopPolicy
    scores: tuple[float, ...]
    decision: Decision
    descriptions: tuple[Hashable | None, ...] = ()
    chain: tuple[int, ...] = (0,)  # from the composite to the latest state; each was made from the one before it
    taken: tuple[int, ...] = ()  # seeds of the descriptions that the loop has continued with
    target: float | None = None  # s_i, which a regeneration has to beat; None when none is under way
    decreases: int = 0  # since the regeneration

    def after(self, score: float) -> _Loop:
        if not math.isfinite(score):
            raise ValueError(f"Scores must be finite numbers, but state {len(self.scores)} has {score}.")
        if self.decision.action == "conclude":
            raise ValueError(f"The loop had concluded after pass {len(self.scores) - 1}; there is one score too many.")
        now = replace(self, scores=(*self.scores, score))
        if now._latest == 0:
            return now
        if now._latest == self.policy.max_passes:
            return now._conclude()
        if now._latest < self.policy.k:
            return now._next("trial", 0, now._latest)
        if now._latest == self.policy.k:
            return now._keep_the_best_trial()
        return replace(now, chain=(*self.chain, now._latest))._judge()

    @property
    def _latest(self) -> int:
        return len(self.scores) - 1

    def _next(self, action: Action, source: int, seed: int) -> _Loop:
        return replace(self, decision=Decision(action, source, seed))

    def _conclude(self) -> _Loop:
        return self._next("conclude", best(self.scores), self.decision.seed)

    def _keep_the_best_trial(self) -> _Loop:
        kept = 1 + best(self.scores[1:])
        return replace(self, chain=(0, kept), taken=(kept - 1,))._next("continue", kept, kept - 1)

    def _judge(self) -> _Loop:
        if self.target is None:
            first, second, third = (self.scores[state] for state in self.chain[-3:])
            return self._regenerate() if third < second < first else self._continue()
        if self.scores[self._latest] > self.target:
            return replace(self, target=None)._continue()
        fell = self.scores[self._latest] < self.scores[self.chain[-2]]
        judged = replace(self, decreases=self.decreases + fell)
        return judged._conclude() if judged.decreases == PATIENCE else judged._continue()

    def _continue(self) -> _Loop:
        return self._next("continue", self._latest, self.decision.seed)

    def _regenerate(self) -> _Loop:
        seed = self._other_seed()
        if seed is None:
            return self._conclude()
        chain = self.chain[:-PATIENCE]
        back = replace(self, chain=chain, taken=(*self.taken, seed), target=self.scores[chain[-1]], decreases=0)
        return back._next("regenerate", chain[-1], seed)

    def _other_seed(self) -> int | None:
        k = self.policy.k
        if self.policy.new_descriptions == "next seed":
            return max(k, 1 + max(self.taken))
        taken = {self._said(seed) for seed in self.taken}
        left = [seed for seed in range(k) if self._said(seed) not in taken]
        return max(left, key=lambda seed: self.scores[1 + seed], default=None)

    def _said(self, seed: int) -> Hashable:
        """The description of a trial; its seed where the description is not known."""
        known = self.descriptions[1 + seed] if 1 + seed < len(self.descriptions) else None
        return seed if known is None else known


def best(scores: Sequence[float]) -> int:
    """Index of the highest score, the earliest of equals."""
    return max(range(len(scores)), key=scores.__getitem__)
