"""The loop's decisions: from the scores so far to the next pass, and to the answer (paper sec. 3.3).

A state is a picture with its score. State 0 is the composite. Proposals, pictures that another method made of it, are
the next states, and then each pass makes one: pass n makes state n where there is no proposal. A pass starts from the
picture of an earlier state, with a description. A description goes by its seed: another seed gives another description.

The paper's loop has no proposal, takes any better score, and refuses no picture.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ..core.errors import InputError

Action = Literal["propose", "start", "trial", "continue", "regenerate", "conclude"]
Reason = Literal["first", "better", "too little", "weaker", "stronger", "implausible"]
NewDescriptions = Literal["best other trial", "next seed"]
PATIENCE = 2  # decreases
MARGIN = 0.02  # of the score: where the judge hardly sees a difference, less change is safer
# A proposal is a guess at the truth. Passes go on until the judge likes one, so that its liking says less.
DOUBT = 0.08
# Of two changes that the judge likes about as much, the weaker one does less harm where the judge is wrong.
ENOUGH = 0.75


@dataclass(frozen=True, kw_only=True)
class LoopPolicy:
    """The loop's limits.

    Raises:
        InputError: when k or max_passes is below 1, margin or doubt is below 0, enough is not in 0-1, or
            new_descriptions has another value.
    """

    k: int = 3  # trial passes; each starts from the composite and has a description of its own
    max_passes: int = 10  # trials included; proposals do not count, they cost next to nothing
    new_descriptions: NewDescriptions = "best other trial"
    margin: float = 0.0  # of the score, by which a later state must beat the one that is taken; 0 is the paper's
    doubt: float = 0.0  # what the margin grows by where a pass is to take the place of a proposal
    enough: float = 1.0  # share of the best proposal's gain in score that a weaker proposal must bring to be preferred
    follow: bool = False  # the foreground's words are found anew in each picture that a pass starts from
    farthest: float = math.inf  # distance beyond which a state is no answer, unless the composite lies as far

    def __post_init__(self) -> None:
        for name in ("k", "max_passes"):
            if getattr(self, name) < 1:
                raise InputError(name, f"got {getattr(self, name)}, expected at least 1.")
        if not 0 <= self.enough <= 1:
            raise InputError("enough", f"got {self.enough}, expected 0 to 1.")
        for name in ("margin", "doubt"):
            if not getattr(self, name) >= 0:
                raise InputError(name, f"got {getattr(self, name)}, expected 0 or more.")
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


@dataclass(frozen=True)
class Verdict:
    """Whether a state may be the answer, and why."""

    reason: Reason  # "first" is the composite's
    rival: int = 0  # the state that it was compared with
    needed: float = 0.0  # by how much it had to score better

    @property
    def taken(self) -> bool:
        return self.reason in ("first", "better")


def decide(
    scores: Sequence[float],
    policy: LoopPolicy,
    descriptions: Sequence[Hashable | None] = (),
    *,
    proposals: int = 0,
    distances: Sequence[float] = (),
    settled: Sequence[bool] = (),
) -> tuple[Decision, ...]:
    """One decision for each state. The last one is open: it names the next pass, or concludes with the answer.

    1. Proposals come first ("propose"). K trials start from the composite. The best of trials and proposals is kept; a
       proposal goes on with the description of the best trial.
    2. From there each pass starts from the state before it ("continue").
    3. After two decreases in a row, s_{i+2} < s_{i+1} < s_i, the loop goes back to state i with another description
       ("regenerate"). It succeeds when a pass beats s_i; then the loop continues as in 2. It fails when two passes, in
       a row or not, score less than the pass before them; then the loop concludes.
    4. The loop also concludes after max_passes, when there is no other description, and after a pass, trials aside,
       whose words asked for nothing.

    The answer is the last state that `verdicts` takes. With a margin of 0 and no bound that is the best of all states,
    the earliest of equals. The composite is one of them, so the answer never scores less than the composite. What
    passes start from goes by the plain score. Equal scores are no decrease. The decisions on the first n passes do not
    depend on max_passes, as long as it is larger than n.

    Args:
        scores: s_0 of the composite, then one for each proposal, then one for each pass.
        policy: the limits.
        descriptions: one for each score. A trial that repeats another trial's description does not count as another
            description. None where it is not known.
        proposals: how many there are. Their scores are given from the start.
        distances: see `verdicts`.
        settled: for each score, whether the words of its pass asked for nothing. Without them all asked for something.

    Raises:
        ValueError: when there is no score, one is not finite, or there are more than the loop asked for.
    """
    if len(scores) <= proposals:
        raise ValueError("The loop needs the composite's score and those of all proposals to decide.")
    begun = Decision("propose" if proposals else "start", 0, 0)
    state = _Loop(policy, (), begun, tuple(descriptions), proposals, tuple(distances), tuple(settled)).after(scores[0])
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
    proposals: int = 0
    distances: tuple[float, ...] = ()
    settled: tuple[bool, ...] = ()
    chain: tuple[int, ...] = (0,)  # from the composite to the latest state; each was made from the one before it
    taken: tuple[int, ...] = ()  # seeds of the descriptions that the loop has continued with
    target: float | None = None  # s_i, which a regeneration has to beat; None when none is under way
    decreases: int = 0  # since the regeneration

    def after(self, score: float) -> _Loop:
        if not math.isfinite(score):
            raise ValueError(f"Scores must be finite numbers, but state {len(self.scores)} has {score}.")
        if self.decision.action == "conclude":
            raise ValueError(f"The loop had concluded after pass {self._passes}; there is one score too many.")
        now = replace(self, scores=(*self.scores, score))
        if now._passes < 0:
            return now
        if now._passes == 0:
            return now._next("start", 0, 0)
        if now._passes == self.policy.max_passes:
            return now._conclude()
        if now._passes < self.policy.k:
            return now._next("trial", 0, now._passes)
        if now._passes == self.policy.k:
            return now._keep_the_best()
        if now._latest < len(self.settled) and self.settled[now._latest]:
            return now._conclude()
        return replace(now, chain=(*self.chain, now._latest))._judge()

    @property
    def _latest(self) -> int:
        return len(self.scores) - 1

    @property
    def _passes(self) -> int:
        """Number of finished passes; below 0 while there are proposals to come."""
        return self._latest - self.proposals

    def _next(self, action: Action, source: int, seed: int) -> _Loop:
        return replace(self, decision=Decision(action, source, seed))

    def _conclude(self) -> _Loop:
        return self._next("conclude", self._answer(), self.decision.seed)

    def _answer(self) -> int:
        return answer(self.scores, self.policy, self.distances, self.proposals)

    def _keep_the_best(self) -> _Loop:
        kept, seed = 1 + best(self.scores[1:]), best(self.scores[self._state_of(0) :])
        return replace(self, chain=(0, kept), taken=(seed,))._next("continue", kept, seed)

    def _state_of(self, seed: int) -> int:
        """The state that the trial with this seed makes."""
        return 1 + self.proposals + seed

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
        return max(left, key=lambda seed: self.scores[self._state_of(seed)], default=None)

    def _said(self, seed: int) -> Hashable:
        """The description of a trial; its seed where the description is not known."""
        state = self._state_of(seed)
        known = self.descriptions[state] if state < len(self.descriptions) else None
        return seed if known is None else known


def best(scores: Sequence[float]) -> int:
    """Index of the highest score, the earliest of equals."""
    return max(range(len(scores)), key=scores.__getitem__)


def verdicts(
    scores: Sequence[float], policy: LoopPolicy, distances: Sequence[float] = (), proposals: int = 0
) -> tuple[Verdict, ...]:
    """One for each state: whether it may be the answer.

    Of the proposals one is taken at most: the weakest that gains `enough` of what the best of them gains, where that
    is more than the margin. From there the answer climbs: a pass is taken if it beats the state taken before by more
    than the margin, and by the doubt as well where that is a proposal.

    Args:
        scores: of every state, the composite's first.
        policy: its margin, doubt, share that is enough, and bound count.
        distances: how far each state's look leaves what is plausible. Without them no state is implausible. A state
            beyond the bound is refused if it also lies farther than the composite.
        proposals: how many states after the composite are proposals, weaker changes before stronger ones.
    """
    far = [bool(distances) and distance > max(policy.farthest, distances[0]) for distance in distances or scores]
    found = _on_proposals(scores[: 1 + proposals], policy, far)
    rival = max(state for state, verdict in enumerate(found) if verdict.taken)
    for state in range(len(found), len(scores)):
        needed = policy.margin + policy.doubt * (0 < rival <= proposals)
        better = scores[state] > scores[rival] + needed
        found.append(Verdict("too little" if not better else "implausible" if far[state] else "better", rival, needed))
        rival = state if found[-1].taken else rival
    return tuple(found)


def _on_proposals(scores: Sequence[float], policy: LoopPolicy, far: Sequence[bool]) -> list[Verdict]:
    """The verdicts on the composite and on the proposals."""
    margin, gains = policy.margin, [score - scores[0] for score in scores]
    able = [state for state in range(1, len(scores)) if gains[state] > margin and not far[state]]
    least = policy.enough * max((gains[state] for state in able), default=0.0)
    taken = next((state for state in able if gains[state] >= least), 0)
    found = [Verdict("first", 0, margin)]
    for state in range(1, len(scores)):
        if gains[state] <= margin:
            found.append(Verdict("too little", 0, margin))
        elif far[state]:
            found.append(Verdict("implausible", 0, margin))
        elif state < taken:
            found.append(Verdict("weaker", 0, margin))
        else:
            found.append(Verdict("stronger", taken, margin) if state > taken else Verdict("better", 0, margin))
    return found


def answer(scores: Sequence[float], policy: LoopPolicy, distances: Sequence[float] = (), proposals: int = 0) -> int:
    """The last state that `verdicts`, with the same arguments, takes."""
    found = verdicts(scores, policy, distances, proposals)
    return max(state for state, verdict in enumerate(found) if verdict.taken)
