"""The loop's decisions: from the scores so far to what the next pass is (paper sec. 3.3).

A state is a picture with its score; state 0 is the composite, and pass n makes state n. A pass starts from an earlier
state's picture with a description, which goes by its seed: the describe node offers another one for another seed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

Action = Literal["start", "trial", "continue", "regenerate", "conclude"]
NewDescriptions = Literal["best other trial", "next seed"]
PATIENCE = 2  # decreases


@dataclass(frozen=True)
class LoopPolicy:
    """The loop's limits.

    Raises:
        ValueError: when k or max_passes is below 1, or new_descriptions is none of its values.
    """

    k: int = 3  # trial passes, one a description, each from the composite
    max_passes: int = 10  # trials included
    new_descriptions: NewDescriptions = "best other trial"

    def __post_init__(self) -> None:
        for name in ("k", "max_passes"):
            if getattr(self, name) < 1:
                raise ValueError(f"The loop needs {name} of at least 1, got {getattr(self, name)}.")
        if self.new_descriptions not in ("best other trial", "next seed"):
            raise ValueError(
                f"new_descriptions is {self.new_descriptions!r}; choose 'best other trial' or 'next seed'."
            )


@dataclass(frozen=True)
class Decision:
    """What follows once a state is scored."""

    action: Action
    source: int  # the state whose picture goes into the next pass; of "conclude", the answer
    seed: int  # of the next pass's description, counted from 0


def decide(scores: Sequence[float], policy: LoopPolicy, descriptions: Sequence[str] = ()) -> tuple[Decision, ...]:
    """One decision a state, the last one open: the next pass, or "conclude" with the answer.

    K trials run from the composite, and the best of them is kept. From there each pass goes on from the one before
    ("continue"), until two decreases in a row, s_{i+2} < s_{i+1} < s_i: then back to state i with another description
    ("regenerate"). That one has succeeded when a pass beats s_i, and the loop goes on as before; when two passes score
    less than the pass before them first, in a row or not, the loop concludes. It also concludes after max_passes, and
    when there is no other description. The answer is the best of all states, the earliest of equals, so a result
    worse than the composite is never returned.

    Equal scores are no decrease. Decisions on the first n states do not depend on max_passes, as long as it exceeds n.

    Args:
        scores: s_0 of the composite, then one a pass.
        policy: the limits.
        descriptions: one a state, as the scores, so that a trial which repeated another's is not taken for another
            description; "" where it is not known.

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
    descriptions: tuple[str, ...] = ()
    line: tuple[int, ...] = (0,)  # from the composite to the latest state, each made from the one before
    taken: tuple[int, ...] = ()  # seeds of the descriptions that were gone on with
    target: float | None = None  # s_i, which a regeneration has to beat; None when there is none to judge
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
            return now._keep_the_best()
        return replace(now, line=(*self.line, now._latest))._judge()

    @property
    def _latest(self) -> int:
        return len(self.scores) - 1

    def _next(self, action: Action, source: int, seed: int) -> _Loop:
        return replace(self, decision=Decision(action, source, seed))

    def _conclude(self) -> _Loop:
        return self._next("conclude", best(self.scores), self.decision.seed)

    def _keep_the_best(self) -> _Loop:
        kept = 1 + best(self.scores[1:])
        return replace(self, line=(0, kept), taken=(kept - 1,))._next("continue", kept, kept - 1)

    def _judge(self) -> _Loop:
        if self.target is None:
            first, second, third = (self.scores[state] for state in self.line[-3:])
            return self._regenerate() if third < second < first else self._go_on()
        if self.scores[self._latest] > self.target:
            return replace(self, target=None)._go_on()
        fell = self.scores[self._latest] < self.scores[self.line[-2]]
        judged = replace(self, decreases=self.decreases + fell)
        return judged._conclude() if judged.decreases == PATIENCE else judged._go_on()

    def _go_on(self) -> _Loop:
        return self._next("continue", self._latest, self.decision.seed)

    def _regenerate(self) -> _Loop:
        seed = self._other_seed()
        if seed is None:
            return self._conclude()
        line = self.line[:-PATIENCE]
        back = replace(self, line=line, taken=(*self.taken, seed), target=self.scores[line[-1]], decreases=0)
        return back._next("regenerate", line[-1], seed)

    def _other_seed(self) -> int | None:
        k = self.policy.k
        if self.policy.new_descriptions == "next seed":
            return max(k, 1 + max(self.taken))
        taken = {self._said(seed) for seed in self.taken}
        left = [seed for seed in range(k) if self._said(seed) not in taken]
        return max(left, key=lambda seed: self.scores[1 + seed], default=None)

    def _said(self, seed: int) -> str | int:
        """The description of a trial, by which two of the same are told; its seed where it is not known."""
        return (self.descriptions[1 + seed] if 1 + seed < len(self.descriptions) else "") or seed


def best(scores: Sequence[float]) -> int:
    """Index of the highest score, the earliest of equals."""
    return max(range(len(scores)), key=scores.__getitem__)
