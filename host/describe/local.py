"""Describing on this machine: by statistics, or by one of the user's vision models."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from ...core.errors import InputError
from ...core.types import ImagingDescription
from ...description.local.clip import describe_by_clip
from ...description.local.vlm import describe_by_vlm
from ...description.statistics.provider import alternatives, alternatives_towards, follow
from ...methods.routed.harmonizer import RoutedHarmonizer
from ..model_folders import find_model
from ..pretrained import at_work
from ..routed.harmonizer import harmonize
from ..sampling.progress import progress

Provider = Literal["statistics", "clip", "vlm"]
ALTERNATIVES = 3  # the paper's K
BY_MODEL = {"clip": describe_by_clip, "vlm": describe_by_vlm}


def describe_locally(
    image: Tensor,
    mask: Tensor,
    name: str,
    provider: Provider,
    model: str = "",
    importance: Tensor | None = None,
    harmonizer: RoutedHarmonizer | None = None,
    current: tuple[Tensor, Tensor] | None = None,
) -> tuple[ImagingDescription, ...]:
    """Alternative descriptions of a composite, the best first.

    Args:
        image: sRGB [H,W,3] in 0-1.
        mask: [H,W], 1 on the object, not empty.
        name: the object's name, "object" if unknown.
        provider: who describes.
        model: name of a folder in models/VLM, for the providers "clip" and "vlm".
        importance: [H,W], how much each part of the scene counts for the provider "statistics". None: all count the
            same, or the harmonizer finds it. The other providers look at the whole scene.
        harmonizer: its picture of the composite says how the object should look, for the provider "statistics". None:
            a regression from the scene's colors says it.
        current: image [H,W,3] and mask [H,W] of any size: what a loop has made of the composite so far. The provider
            "statistics" finds the foreground's words in it, and the background's in the composite.

    Raises:
        InputError: when the folder is missing or holds no model for the provider, the mask covers everything, or the
            importance has another size or leaves nothing of the background.
    """
    if provider == "statistics":
        if harmonizer is None:
            found = alternatives(image, mask, name, importance)
        else:
            harmonized = harmonize(harmonizer, image[None], mask, importance=importance).image[0]
            found = alternatives_towards(harmonized, image, mask, name)
        return found if current is None else tuple(follow(description, *current) for description in found)
    folder = find_model(provider, model)
    try:
        with at_work(folder, provider) as (network, processor), torch.inference_mode():
            return BY_MODEL[provider](network, processor, image, mask, name, ALTERNATIVES, progress(1))
    except InputError:
        raise
    except (FileNotFoundError, ValueError) as error:  # of the folder's files or of the model's settings
        raise InputError("model", str(error)) from error
