"""The pack as the benchmarks measure it: one pass and the loop. Needs the host."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import torch

from ..core.types import ImagingDescription
from ..data.composites import Pasted
from ..data.pairs import Pair
from ..description.statistics.norms import load_norms
from ..description.statistics.plausibility import FARTHEST
from ..description.statistics.provider import describe
from ..description.statistics.words import words_for
from ..host.describe.local import describe_locally
from ..host.described import harmonize_described
from ..host.zero_shot.edit import Models, PassSettings, edit_once
from ..host.zero_shot.harmonize import Harmonized, doubting
from ..loop.policy import LoopPolicy
from ..loop.run import Judge
from ..methods.routed.harmonizer import RoutedHarmonizer
from ..methods.zero_shot.refinement import RefinementSettings
from .baselines import Method

ONE_PASS = PassSettings(amount=1.0)  # workflows/harmonize.json
FAST = RefinementSettings(cached_queries=True)
LOOP_PASS = PassSettings(refinement=FAST)  # each pass of workflows/harmonize_one_node.json
LOOP = LoopPolicy(k=3, max_passes=6)  # the paper's rules
FOLLOWING_LOOP = replace(LOOP, margin=0.005, farthest=FARTHEST, follow=True)  # those of workflows/harmonize_loop.json
DOUBTING_LOOP = doubting(LOOP)  # those of workflows/harmonize_one_node.json

P = TypeVar("P", bound=Pasted)  # what the description is read from: a composite, or one with its truth


def one_pass(
    models: Models, describe: Callable[[P], ImagingDescription], settings: PassSettings
) -> Callable[[P], torch.Tensor]:
    """The method that edits a composite once."""

    def method(pasted: P) -> torch.Tensor:
        with torch.inference_mode():
            return edit_once(models, pasted.composite[None], pasted.mask[None], describe(pasted), settings)[0]

    return method


def whole_loop(
    models: Models,
    judge: Judge,
    settings: PassSettings,
    policy: LoopPolicy,
    harmonizer: RoutedHarmonizer | None = None,
) -> Method:
    """The method that runs the loop, see `run_harmonize`."""
    return lambda pasted: run_harmonize(models, judge, pasted, settings, policy, harmonizer).image[0]


def loop_towards(
    models: Models, judge: Judge, settings: PassSettings, policy: LoopPolicy, harmonizer: RoutedHarmonizer
) -> Method:
    """The method that runs the loop with words that lead to the harmonizer's look. Its pictures do not compete."""

    def method(pasted: Pasted) -> torch.Tensor:
        words = describe_locally(pasted.composite, pasted.mask, pasted.object, "statistics", harmonizer=harmonizer)
        return harmonize_described(models, judge, pasted.composite, pasted.mask, words, settings, policy).image[0]

    return method


def run_harmonize(
    models: Models,
    judge: Judge,
    pasted: Pasted,
    settings: PassSettings,
    policy: LoopPolicy,
    harmonizer: RoutedHarmonizer | None = None,
) -> Harmonized:
    """The loop on a composite, described by statistics, see `harmonize_described`."""
    return harmonize_described(
        models, judge, pasted.composite, pasted.mask, pasted.object, settings, policy, harmonizer
    )


def describe_by_statistics(pasted: Pasted) -> ImagingDescription:
    return describe(pasted.composite, pasted.mask, pasted.object)


def describe_by_truth(pair: Pair) -> ImagingDescription:
    """Oracle words: the background's words name what the object looks like in the true photo."""
    norms = load_norms()
    actual, true = (
        words_for(norms.object_offset(pair.object, image, pair.mask)) for image in (pair.composite, pair.truth)
    )
    return ImagingDescription(pair.object, actual, true)
