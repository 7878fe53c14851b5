"""How much of a change to make, by the evaluator's score of the picture at several shares of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from ..evaluator.model import HarmonyEvaluator
from ..loop.policy import ENOUGH, MARGIN, LoopPolicy, answer

JUDGED = 0.0, 0.25, 0.5, 0.75, 1.0  # shares of the change that the judge chooses among
CHOICE = LoopPolicy(margin=MARGIN, enough=ENOUGH)  # how it chooses
UNCHANGED = (
    "The composite is returned unchanged: no change scores clearly higher than none. If you painted the mask, keep to "
    "the object's edge, or turn on snap in Object Mask. To see the change all the same, remove the link to the input "
    "evaluator."
)


def scores_of(judge: HarmonyEvaluator, made: Callable[[float], Tensor], mask: Tensor) -> tuple[float, ...]:
    """The judge's scores of the pictures [H,W,3] that `made` gives at all of JUDGED, one at a time in memory."""
    return tuple(float(judge.score(made(share)[None], mask[None])) for share in JUDGED)


def share_of(scores: Sequence[float]) -> float:
    """Which of JUDGED to take by their scores: as in the loop, the weakest that gains enough, if any gains enough."""
    return JUDGED[answer(scores, CHOICE, proposals=len(JUDGED) - 1)]


def reason(scores: Sequence[float]) -> str:
    """The scores that a share was taken by, in words."""
    shares = ", ".join(f"{score:.3f} at {share:.0%}" for share, score in zip(JUDGED, scores, strict=True))
    told = f"scores by how much of the change is made: {shares}"
    return told if share_of(scores) else f"{told}. {UNCHANGED}"
