"""The whole loop in one call, for one pasted object or for several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial

from torch import Tensor

from ...color.apply import apply_lut
from ...color.fit import fit_lut
from ...color.lut import ColorLUT
from ...core.errors import InputError
from ...core.masks import bounding_box
from ...core.types import ImagingDescription
from ...core.view import working_view
from ...description.statistics.plausibility import FARTHEST, distance_from_plausible
from ...description.statistics.provider import follow
from ...loop.policy import DOUBT, ENOUGH, MARGIN, LoopPolicy
from ...loop.run import Judge, run_loop
from ...loop.states import LoopStates, require_one_picture, require_proposals
from ..image import check_mask, check_regions
from ..loop.passes import KeptPasses
from .edit import Models, PassSettings, ZeroShotEdit

VIEW_SIZE = 256  # side of the square that the loop carries from pass to pass, pixels


def doubting(policy: LoopPolicy, margin: float = MARGIN) -> LoopPolicy:
    """The paper's policy, with doubts: a margin for the judge, more against proposals, plausible looks only, and words
    that follow the object."""
    return replace(policy, margin=margin, doubt=DOUBT, enough=ENOUGH, farthest=FARTHEST, follow=True)


@dataclass(frozen=True)
class LoopRun:
    """A loop that has run, with all that is needed to carry any of its states to full size."""

    states: LoopStates
    objects: tuple[Tensor, ...]  # of each proposal the box around the mask, [1,h,w,3] at full size
    view: Tensor  # [1,S,S,3], the composite's
    view_mask: Tensor  # [1,S,S]


@dataclass(frozen=True)
class Harmonized:
    """What the loop made of a composite."""

    image: Tensor  # [1,H,W,3], at the composite's size
    lut: ColorLUT  # from the composite's working view to the taken state's
    states: LoopStates  # the pictures are the working views
    taken: int  # the state that the image is


def take(run: LoopRun, image: Tensor, mask: Tensor, state: int | None = None) -> Harmonized:
    """One of a loop's states at full size (paper app. E).

    The full picture starts from the proposal that the chosen state was made from, so that the proposal's local changes
    stay, or from the composite. A LUT carries only what the passes changed of it.

    Args:
        run: the loop.
        image: [1,H,W,3], the composite that it ran on.
        mask: likewise.
        state: its number; None for the one that the loop chose.

    Raises:
        InputError: when there is no such state.
    """
    states, mask = run.states, check_mask(mask, image)
    taken = states.chosen if state is None else states.require_state(state)
    origin = states.origin(taken)
    start = image.clone()
    if origin:
        _around(start, mask).copy_(run.objects[origin - 1])
    lut = fit_lut(run.view, states.images[taken], run.view_mask)
    if origin == taken:
        return Harmonized(start, lut, states, taken)
    rest = fit_lut(states.images[origin], states.images[taken], run.view_mask) if origin else lut
    return Harmonized(apply_lut(start, rest, mask), lut, states, taken)


def run_harmonize(
    models: Models,
    judge: Judge,
    image: Tensor,
    mask: Tensor,
    descriptions: Sequence[ImagingDescription],
    settings: PassSettings,
    policy: LoopPolicy,
    *,
    proposals: Sequence[tuple[str, Tensor]] = (),
    view_size: int = VIEW_SIZE,
    after_pass: Callable[[LoopStates], None] = lambda states: None,
    during: Callable[[str], AbstractContextManager] = nullcontext,
) -> LoopRun:
    """Describe, edit, judge, repeat on the working view (paper sec. 3.3). `take` then gives the result at full size.

    Args:
        models: MODEL, CLIP and VAE of one checkpoint.
        judge: scores every state.
        image: [1,H,W,3], sRGB in 0-1, the composite.
        mask: MASK of its size, 1 on the foreground.
        descriptions: seed n takes the n-th; after the last one it takes the first again.
        settings: one pass. Its framing does not count: the loop works on a square view, and the model sees all of it.
        policy: the loop's limits. Its bound counts for the distance from the usual look of the described object. Words
            follow the object where they are those that statistics find; those of people and of vision models stay.
        proposals: what other methods made of the composite, each [1,H,W,3] of its size after words that say how, weaker
            changes before stronger ones. The loop sees their working views. Only the mask's part may differ.
        view_size: side of that view, pixels.
        after_pass, during: see `run_loop`.

    Raises:
        InputError: for more than one picture, no description, or a mask or a proposal that does not fit.
    """
    require_one_picture(image)
    mask = check_mask(mask, image)
    pictures = [image, *(picture for _, picture in proposals)]
    require_proposals(pictures[1:], image)
    (view, *proposed), view_mask = _views(pictures, mask, view_size)

    def distance(picture: Tensor, of: Tensor) -> float:
        return distance_from_plausible(descriptions[0].object, view[0], picture[0], of[0])

    def reworded(picture: Tensor, of: Tensor, description: ImagingDescription) -> ImagingDescription:
        return follow(description, picture[0], of[0]) if description in following else description

    following = [each for each in descriptions if policy.follow and each == follow(each, image[0], mask[0])]
    states = run_loop(
        ZeroShotEdit(models, replace(settings, framing="whole")),
        judge,
        view,
        view_mask,
        descriptions,
        policy,
        proposals=[(made, square) for (made, _), square in zip(proposals, proposed, strict=True)],
        distance=distance,
        reword=reworded,
        after_pass=after_pass,
        during=during,
    )
    objects = tuple(_around(picture, mask).clone() for _, picture in proposals)
    return LoopRun(states, objects, view, view_mask)


def _around(picture: Tensor, mask: Tensor) -> Tensor:
    """What lies in the box around the mask [1,H,W] of a picture [1,H,W,3], as a view of it."""
    top, bottom, left, right = bounding_box(mask[0]) or (0, 0, 0, 0)
    return picture[:, top:bottom, left:right]


def _views(pictures: Sequence[Tensor], mask: Tensor, size: int) -> tuple[list[Tensor], Tensor]:
    """The working views [1,S,S,3] of pictures [1,H,W,3] that share a mask [1,H,W], and the mask's."""
    views = [working_view(picture, mask, size) for picture in pictures]
    return [view for view, _ in views], views[0][1]


def harmonize_instances(
    models: Models,
    judge: Judge,
    image: Tensor,
    masks: Tensor,
    descriptions: Sequence[ImagingDescription],
    settings: PassSettings,
    policy: LoopPolicy,
    *,
    view_size: int = VIEW_SIZE,
) -> tuple[list[Harmonized], list[KeptPasses]]:
    """The loop for each object, on the picture that the loop before it left. The last image is the result.

    Args:
        image: [1,H,W,3], sRGB in 0-1, the composite.
        masks: [n,H,W], one for each object, of the image's size.
        descriptions: one for each mask.
        Others: see `run_harmonize`.

    Returns:
        What each loop made, and its kept passes.

    Raises:
        InputError: when masks and descriptions differ in number, or a mask does not fit.
        PassError: when a loop fails. It names the object, the pass, and the files of all finished passes.
    """
    require_one_picture(image)
    masks = check_regions(masks, image, "masks")
    if len(masks) != len(descriptions):
        raise InputError(
            "descriptions",
            f"got {len(masks)} masks and {len(descriptions)} descriptions, expected one description for each mask, in "
            f"the same order.",
        )
    done: list[Harmonized] = []
    kept: list[KeptPasses] = []
    for number, (mask, description) in enumerate(zip(masks, descriptions, strict=True), 1):
        kept.append(KeptPasses(earlier=kept[-1].paths if kept else ()))
        composite = done[-1].image if done else image
        during = partial(kept[-1].errors_name, f"object {number} of {len(masks)}")
        run = run_harmonize(
            models,
            judge,
            composite,
            mask,
            [description],
            settings,
            policy,
            view_size=view_size,
            after_pass=kept[-1].keep,
            during=during,
        )
        with during("final LUT"):
            done.append(take(run, composite, mask))
    return done, kept
