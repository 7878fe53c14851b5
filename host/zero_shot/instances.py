"""Several pasted objects in one picture, one after another."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from ...core.types import ImagingDescription
from ...loop.policy import LoopPolicy
from ..image import check_regions
from ..loop.passes import Passes
from .harmonize import Evaluator, Harmonized, Models, PassSettings, harmonize

NODE = "HarmonizeInstances"


def harmonize_instances(
    models: Models,
    evaluator: Evaluator,
    image: Tensor,
    masks: Tensor,
    descriptions: Sequence[ImagingDescription],
    settings: PassSettings,
    policy: LoopPolicy,
    after_pass: Callable[[Passes], Passes] = lambda passes: passes,
) -> list[Harmonized]:
    """The loop for each object, on the picture that the one before it left; the last one's image is the result.

    Args:
        image: [1,H,W,3], the composite.
        masks: [n,H,W], one an object, of the image's size.
        descriptions: one a mask.
        Others: see `harmonize`.

    Raises:
        ValueError: when masks and descriptions differ in number, or a mask does not fit.
        Others: as `harmonize`; the errors say which object it was, and name the files of those before it.
    """
    masks = check_regions(masks, image, NODE, "masks")
    if len(masks) != len(descriptions):
        raise ValueError(
            f"{NODE}: got {len(masks)} masks and {len(descriptions)} descriptions; give input descriptions one for "
            f"each mask, in the same order."
        )
    done: list[Harmonized] = []
    for number, (mask, description) in enumerate(zip(masks, descriptions, strict=True), 1):
        composite, node = done[-1].image if done else image, f"{NODE}, object {number} of {len(masks)}"
        saved = [path for each in done for path in each.passes.paths]
        done.append(
            harmonize(models, evaluator, composite, mask, [description], settings, policy, after_pass, node, saved)
        )
    return done
