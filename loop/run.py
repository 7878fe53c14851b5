"""The loop over any edit: describe, edit, judge, repeat (paper sec. 3.3)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Protocol

from torch import Tensor

from ..core.errors import InputError
from ..core.types import ImagingDescription
from .policy import LoopPolicy
from .states import LoopStates, require_one_picture, require_proposals

logger = logging.getLogger(__name__)

Edit = Callable[[Tensor, Tensor, ImagingDescription], Tensor]  # image [1,H,W,3], mask [1,H,W], words -> [1,H,W,3]
Reword = Callable[[Tensor, Tensor, ImagingDescription], ImagingDescription]  # of a picture that a pass starts from
Distance = Callable[[Tensor, Tensor], float]  # image [1,H,W,3], mask [1,H,W] -> how far it leaves what is plausible


class Judge(Protocol):
    """Scores pictures [B,H,W,3] with masks [B,H,W]: [B] in 0-1, higher is more harmonious."""

    def score(self, image: Tensor, mask: Tensor) -> Tensor: ...


def run_loop(
    edit: Edit,
    judge: Judge,
    image: Tensor,
    mask: Tensor,
    descriptions: Sequence[ImagingDescription],
    policy: LoopPolicy,
    *,
    proposals: Sequence[tuple[str, Tensor]] = (),
    distance: Distance = lambda image, mask: 0.0,
    reword: Reword = lambda image, mask, description: description,
    after_pass: Callable[[LoopStates], None] = lambda states: None,
    during: Callable[[str], AbstractContextManager] = nullcontext,
) -> LoopStates:
    """Runs passes until the policy concludes.

    Args:
        edit: makes a new picture from a state's picture, the mask and a description.
        judge: scores every state.
        image: [1,H,W,3], sRGB in 0-1, the composite.
        mask: [1,H,W], 1 on the foreground.
        descriptions: seed n takes the n-th of those that differ; after the last one it takes the first again.
        policy: the limits. There are at most as many trials as different descriptions.
        proposals: pictures [1,H,W,3] that other methods made of the composite, each after words that say how, weaker
            changes before stronger ones. They are states from the start and do not count towards k or max_passes.
        distance: of a state's look from what is plausible; the policy bounds it. By default nothing is implausible.
        reword: the description as it is for the picture that a pass starts from. By default it stays.
        after_pass: gets all states after each pass.
        during: opened around the composite's score as during("") and around each pass as during("pass 1"), so that an
            error can be told with its place.

    Returns:
        All states. Their `result()` is the loop's.

    Raises:
        InputError: when there is more than one picture or no description, or a proposal has another size.
    """
    require_one_picture(image)
    if not descriptions:
        raise InputError("descriptions", "got none, expected at least one description.")
    require_proposals([picture for _, picture in proposals], image)
    descriptions = tuple(dict.fromkeys(descriptions))  # the same words again would make the same pictures
    if policy.k > len(descriptions):
        some = "is only 1 description" if len(descriptions) == 1 else f"are only {len(descriptions)} descriptions"
        logger.warning("There %s for k = %d: each is tried once.", some, policy.k)
        policy = replace(policy, k=len(descriptions))

    def judged(picture: Tensor) -> tuple[float, float]:
        return float(judge.score(picture, mask)[0]), distance(picture, mask)

    with during(""):
        score, away = judged(image)
        states = LoopStates(policy, (image,), (score,), distances=(away,))
        for made, picture in proposals:
            states = states.propose(made, picture, *judged(picture))
    while not states.concluded:
        decision = states.decisions[-1]
        with during(f"pass {states.count + 1}"):
            before = states.images[decision.source]
            description = reword(before, mask, descriptions[decision.seed % len(descriptions)])
            made = before if description.settled else edit(before, mask, description)
            score, away = judged(made)
            states = states.add(made, score, description, away)
            after_pass(states)
    return states
