"""Routed harmonizers in the host: the models folder, the device, and the pictures of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import folder_paths
import torch
from torch import Tensor

from ...color.lut import ColorLUT
from ...core.weights import shipped_weights
from ...evaluator.model import HarmonyEvaluator
from ...methods.routed.checkpoint import read_network
from ...methods.routed.harmonizer import RoutedHarmonizer
from ...methods.routed.instances import find_instances
from ...methods.routed.similarity import importance_map
from ..image import check_importance, check_mask
from ..network import HostNetwork
from .instances import instance_backbone

EMBEDDED = "embedded"
FOLDER = "routed_harmonizer"
MANIFEST = Path(__file__).parents[2] / "methods" / "routed" / "weights.json"
JUDGED = 0.0, 0.5, 1.0  # strengths that the judge chooses among, times the one that is asked for
MARGIN = 0.02  # of the score, by which a stronger change must win over a weaker one


@dataclass(frozen=True)
class Harmonized:
    """A batch's pictures."""

    image: Tensor  # [B,H,W,3]
    luts: tuple[ColorLUT, ...]  # the global change of each picture
    strengths: tuple[float, ...]  # what each was applied with


def harmonizer_names() -> list[str]:
    """What can be loaded: the embedded harmonizer and the files of the models folder."""
    return [EMBEDDED, *folder_paths.get_filename_list(FOLDER)]


def load_harmonizer(name: str) -> RoutedHarmonizer:
    """A harmonizer by its name in `harmonizer_names`.

    Raises:
        FileNotFoundError: when its file is missing.
        ValueError: when its file is damaged or holds something else.
    """
    embedded = name == EMBEDDED
    path = shipped_weights(MANIFEST) if embedded else Path(folder_paths.get_full_path_or_raise(FOLDER, name))
    return RoutedHarmonizer(name, HostNetwork(read_network(path)))


def harmonize(
    harmonizer: RoutedHarmonizer,
    image: Tensor,
    mask: Tensor,
    *,
    importance: Tensor | None = None,
    judge: HarmonyEvaluator | None = None,
    strength: float = 1.0,
    local: bool = True,
) -> Harmonized:
    """Every picture of a batch by itself.

    Args:
        harmonizer: the network.
        image: [B,H,W,3], sRGB in 0-1.
        mask: MASK of its size, one or one for each picture, 1 on the object.
        importance: S, one or one for each picture; None finds it by the embedded instances.
        judge: None applies the strength as it is. Else its score chooses among nothing, half of it and all of it.
        strength: see `Proposal.applied`.
        local: see `Proposal.applied`.

    Raises:
        InputError: when a mask does not fit, is empty or covers everything.
    """
    mask = check_mask(mask, image)
    planes: Sequence[Tensor | None] = [None] * len(image)
    if importance is not None:
        planes = list(check_importance(importance, image))
    done = []
    for picture, own_mask, plane in zip(image, mask, planes, strict=True):
        if plane is None:
            plane = importance_of(picture, own_mask)
        proposal = harmonizer.look(picture, own_mask, plane)
        tried = [strength] if judge is None else [share * strength for share in JUDGED]
        results = [(*proposal.applied(picture, own_mask, amount, local), amount) for amount in tried]
        done.append(results[chosen(judge, [result for result, *_ in results], own_mask)] if judge else results[0])
    images, luts, strengths = zip(*done, strict=True)
    return Harmonized(torch.stack(images), luts, strengths)


def importance_of(image: Tensor, mask: Tensor) -> Tensor:
    """S [H,W] of one picture [H,W,3], by the embedded instances."""
    with torch.inference_mode():
        return importance_map(find_instances(image, mask, instance_backbone()), image.shape[:2]).to(image)


def chosen(judge: HarmonyEvaluator, images: Sequence[Tensor], mask: Tensor) -> int:
    """Which of several versions [H,W,3] of a picture, from the least changed to the most.

    The judge must like a stronger change better than a weaker one by MARGIN: where it hardly sees a difference, less is
    safer.
    """
    scores = judge.score(torch.stack(list(images)), mask.expand(len(images), -1, -1)).tolist()
    best = 0
    for version, score in enumerate(scores):
        if score > scores[best] + MARGIN:
            best = version
    return best
