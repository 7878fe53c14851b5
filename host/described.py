"""The loop on one composite from its description on: given, or found by statistics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ..core.masks import require_scene
from ..core.types import ImagingDescription
from ..loop.policy import LoopPolicy
from ..loop.run import Judge
from ..methods.routed.harmonizer import RoutedHarmonizer
from .describe.local import describe_locally
from .image import check_mask
from .routed.harmonizer import proposals
from .zero_shot.edit import Models, PassSettings
from .zero_shot.harmonize import Harmonized, run_harmonize, take


def harmonize_described(
    models: Models,
    judge: Judge,
    image: Tensor,
    mask: Tensor,
    described: str | Sequence[ImagingDescription],
    settings: PassSettings,
    policy: LoopPolicy,
    harmonizer: RoutedHarmonizer | None = None,
) -> Harmonized:
    """The loop with a trial for each description, where there are fewer than k.

    Args:
        models: MODEL, CLIP and VAE of one checkpoint.
        judge: scores every state.
        image: [H,W,3], sRGB in 0-1, the composite.
        mask: [H,W] in 0-1, 1 on the object.
        described: descriptions, or the object's name: then statistics describe it.
        settings: one pass.
        policy: the loop's limits.
        harmonizer: its proposals compete, and words that statistics find lead to the look that it gives the object.

    Raises:
        InputError: when the mask does not fit, is empty or covers everything.
    """
    (mask,) = check_mask(mask, image[None])
    require_scene(mask)
    if isinstance(described, str):
        described = describe_locally(image, mask, described, "statistics", harmonizer=harmonizer)
    policy = replace(policy, k=min(policy.k, len(described)))
    with torch.inference_mode():
        one, its_mask = image[None], mask[None]
        proposed = () if harmonizer is None else proposals(harmonizer, one, its_mask)
        run = run_harmonize(models, judge, one, its_mask, described, settings, policy, proposals=proposed)
        return take(run, one, its_mask)
