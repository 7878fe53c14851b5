"""The statistics provider: words from Lab statistics of the two regions, no model and no download.

The foreground's words name how the object looks here. The background's words name how such an object would look in this
scene: as a regression from the scene's statistics has it, or as a harmonizer's picture shows it. Both are relative to
how such objects usually look, so that one scale serves for both.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ...core.masks import keep_visible, require_scene, require_selection, scene_importance
from ...core.types import ImagingDescription
from .norms import load_norms
from .words import words_for

# What the alternatives vary: a model may follow words weakly, and the object's place may lie in shade. On average both
# are worse than the first choice; they serve a judge that picks among them (`benchmarks describe`).
FARTHER, DARKER = 2.0, (-1.0, 0.0, 0.0, 0.0, 0.0)
# A harmonizer's look is wrong mostly in its lightness, as often above as below: one word to either side.
LIGHTER = (0.6, 0.0, 0.0, 0.0, 0.0)
SIDE = 256  # the shorter side of the photographs behind the norms, pixels; contrast depends on it


def describe(image: Tensor, mask: Tensor, name: str, importance: Tensor | None = None) -> ImagingDescription:
    """The best of `alternatives`, with the same arguments (in place of paper eq. 1's vision model)."""
    return alternatives(image, mask, name, importance)[0]


def alternatives(
    image: Tensor, mask: Tensor, name: str, importance: Tensor | None = None
) -> tuple[ImagingDescription, ...]:
    """Distinct descriptions of a composite, the best first.

    They share the foreground's words. The background's words name the look that the scene leads one to expect, then a
    look twice as far from the object's own, then a darker one.

    Args:
        image: sRGB [H,W,3] in 0-1.
        mask: [H,W], 1 on the object.
        name: the object's name, "object" if unknown.
        importance: [H,W], how much each pixel of the scene counts beside the others, 0 or more; its values on the
            object are not used. None: all count the same.

    Raises:
        InputError: when the mask covers nothing or everything, or the importance has another size or leaves nothing
            of the background.
    """
    if importance is not None:
        importance = shrink_importance(importance, mask)
    image, mask = shrink(image, mask)
    norms = load_norms()
    actual, expected = norms.object_offset(name, image, mask), norms.expected_offset(image, mask, importance)
    looks = (expected, actual.lerp(expected, FARTHER), expected + torch.tensor(DARKER))
    return _distinct(name, actual, looks)


def alternatives_towards(harmonized: Tensor, image: Tensor, mask: Tensor, name: str) -> tuple[ImagingDescription, ...]:
    """Distinct descriptions of a composite that lead to the look of a harmonizer's picture, the best first.

    They share the foreground's words. The background's words name the object's look in that picture, then a lighter
    look, then a darker one.

    Args:
        harmonized: sRGB [H,W,3] in 0-1, the composite as a harmonizer made it.
        image: sRGB [H,W,3] in 0-1, the composite.
        mask: [H,W], 1 on the object.
        name: the object's name, "object" if unknown.

    Raises:
        InputError: when the mask covers nothing or everything.
    """
    require_selection(mask[None])
    require_scene(mask)
    actual, expected = (load_norms().object_offset(name, *shrink(x, mask)) for x in (image, harmonized))
    lighter = torch.tensor(LIGHTER)
    return _distinct(name, actual, (expected, expected + lighter, expected - lighter))


def follow(description: ImagingDescription, image: Tensor, mask: Tensor) -> ImagingDescription:
    """The description with the foreground's words of another picture, such as one that a loop has come to.

    The nearer the object comes to the look that the background's words name, the less the words ask for; `settled` is
    where they ask for nothing.

    Args:
        description: of a composite; object and background stay.
        image: sRGB [H,W,3] in 0-1.
        mask: [H,W], 1 on the object.
    """
    return replace(
        description, foreground=words_for(load_norms().object_offset(description.object, *shrink(image, mask)))
    )


def _distinct(name: str, actual: Tensor, looks: Iterable[Tensor]) -> tuple[ImagingDescription, ...]:
    """A description for each look [5], from the actual one; those that say the same once."""
    return tuple(dict.fromkeys(ImagingDescription(name, words_for(actual), words_for(look)) for look in looks))


def shrink(image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """A picture and its mask with the shorter side brought down to SIDE. Smaller ones stay as they are.

    Args:
        image: [H,W,3] in 0-1.
        mask: [H,W] in 0-1.

    Returns:
        image [h,w,3] and mask [h,w].
    """
    size = _small(mask)
    if size is None:
        return image, mask
    image, mask = (interpolate(x[None], size, mode="area")[0] for x in (image.movedim(-1, 0), mask[None]))
    return image.movedim(0, -1), keep_visible(mask[0])


def shrink_importance(importance: Tensor, mask: Tensor) -> Tensor:
    """An importance at the size that `shrink` gives its picture: the mean over what each pixel shows of the scene.

    Args:
        importance: [H,W], 0 or more.
        mask: [H,W] in 0-1, 1 on the object.

    Returns:
        [h,w], 0 or more. Values on the object do not enter.

    Raises:
        InputError: when the importance has another size or leaves nothing of the background, or there is none.
    """
    weights, outside = scene_importance(importance, mask), require_scene(mask)
    size = _small(mask)
    if size is None:
        return weights
    weights, shown = interpolate(torch.stack([weights, outside])[None], size, mode="area")[0]
    return weights / shown.clamp_min(torch.finfo(shown.dtype).tiny)


def _small(mask: Tensor) -> list[int] | None:
    """The [height, width] of a picture with its shorter side brought down to SIDE; None if it is not longer."""
    factor = SIDE / min(mask.shape)
    return None if factor >= 1 else [max(1, round(side * factor)) for side in mask.shape]
