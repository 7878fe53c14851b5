"""The pack's own lines, headless: the stages of workflows/harmonize.json in one call, and harmonize_loop.json's."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from ..color.apply import apply_lut
from ..color.fit import fit_lut
from ..core.types import ImagingDescription
from ..core.view import working_view
from ..data.pairs import Pair
from ..description.statistics.appearance import region_appearance, words_for
from ..description.statistics.provider import alternatives, describe, load_norms
from ..loop.policy import LoopPolicy
from ..methods.zero_shot.refinement import RefinementSettings

LOOP = LoopPolicy(k=3, max_passes=6)


@dataclass(frozen=True)
class Line:
    """Settings of the line; defaults are those of the shipped workflow on the embedded model."""

    steps: int = 10
    size: int = 64
    strength: float = 0.7
    amount: float = 1.0
    settings: RefinementSettings = field(default_factory=RefinementSettings)


def harmonize(handles: tuple[Any, Any, Any], pair: Pair, description: ImagingDescription, line: Line) -> Tensor:
    """The harmonized picture [H,W,3] of a pair; handles: MODEL, CLIP, VAE."""
    from ..host.image import decode, encode
    from ..host.zero_shot.stages import edit_trajectory, invert_latent, refine_words

    model, clip, vae = handles
    with torch.inference_mode():
        image, mask = working_view(pair.composite[None], pair.mask[None], line.size)
        trajectory = invert_latent(model, clip, encode(vae, image), line.steps)
        refined = refine_words(model, clip, trajectory, description, mask, line.settings)
        edited = decode(vae, edit_trajectory(model, trajectory, refined, line.strength))
        lut = fit_lut(image, edited, mask)
        return apply_lut(pair.composite[None], lut, pair.mask[None], line.amount)[0]


def harmonize_by_loop(handles: tuple[Any, Any, Any], evaluator: Any, pair: Pair, line: Line) -> Tensor:
    """The picture [H,W,3] of a pair that the loop LOOP ends with, described by statistics; passes keep half a step."""
    from ..host.zero_shot.harmonize import Models, PassSettings, harmonize

    settings = PassSettings(line.size, line.steps, line.strength, refinement=line.settings)
    descriptions = alternatives(pair.composite, pair.mask, pair.object)
    policy = policy_for(LOOP, len(descriptions))
    with torch.inference_mode():
        image, mask = pair.composite[None], pair.mask[None]
        return harmonize(Models(*handles), evaluator, image, mask, descriptions, settings, policy).image[0]


def policy_for(policy: LoopPolicy, descriptions: int) -> LoopPolicy:
    """The policy with a trial for each description, where there are fewer than its k."""
    return replace(policy, k=min(policy.k, descriptions))


def describe_by_statistics(pair: Pair) -> ImagingDescription:
    return describe(pair.composite, pair.mask, pair.object)


def describe_by_truth(pair: Pair) -> ImagingDescription:
    """Oracle words: the background's words name what the object looks like in the true photo."""
    norms = load_norms()
    actual, true = (
        words_for(norms.offset(pair.object, region_appearance(image, pair.mask)))
        for image in (pair.composite, pair.truth)
    )
    return ImagingDescription(pair.object, actual, true)
