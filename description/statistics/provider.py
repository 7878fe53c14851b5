"""The statistics provider: words from Lab statistics of the two regions, no model and no download.

The foreground's words name how the object looks here, the background's words how such an object would look in
this scene; both relative to how such objects usually look, so that one scale serves for both.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ...core.masks import bounding_box, foreground, keep_visible
from ...core.types import ImagingDescription
from ..vocabulary import known_object
from .appearance import region_appearance, words_for

NORMS = Path(__file__).with_name("norms.json")
# What the alternatives vary: a model may follow words weakly, and the spot may lie in shade. On average both are worse
# than the first choice; they serve a judge that picks among them (`benchmarks describe`).
FARTHER, DARKER = 2.0, (-1.0, 0.0, 0.0, 0.0, 0.0)
SIDE = 256  # the shorter side of the photographs behind the norms; contrast depends on it


@dataclass(frozen=True)
class Norms:
    """How objects usually look, and how that follows from the scene around them."""

    usual: dict[str, Tensor]  # object -> appearance [5], Lab units; "object" stands for every other name
    scale: Tensor  # [5], the spread of appearance within one kind of object, Lab units
    scene_mean: Tensor  # [F]
    scene_weights: Tensor  # [F, 5]: expected offset = (scene features - scene_mean) @ scene_weights

    def offset(self, name: str, appearance: Tensor) -> Tensor:
        """Offset [..., 5] of an appearance from the usual one of such an object, in units of `scale`."""
        return (appearance - self.usual.get(known_object(name), self.usual["object"])) / self.scale

    def expected_offset(self, image: Tensor, mask: Tensor) -> Tensor:
        """Offset [5] that an object at `mask` would have if it belonged to the scene (ridge regression)."""
        return (scene_features(image, mask) - self.scene_mean) @ self.scene_weights


def scene_features(image: Tensor, mask: Tensor) -> Tensor:
    """What of the scene predicts the light on an object: the appearance [25] of all of the background, of the object's
    neighborhood, and of the background's upper, middle and lower third: sky, horizon and ground shine differently.
    A third that the object fills counts as the background. image [H,W,3] in 0-1, mask [H,W]."""
    outside = 1 - foreground(mask).float()
    if outside.sum() < 1:
        raise ValueError(
            "LocalDescribe: the mask covers the whole picture, so there is no background to describe; if the file is "
            "transparent around a white object, use channel alpha of LoadImageMask, then InvertMask."
        )
    row = torch.arange(len(mask), device=mask.device)[:, None] * 3 // len(mask)
    thirds = [outside * (row == third) for third in range(3)]
    regions = [outside, neighborhood(mask), *(third if third.any() else outside for third in thirds)]
    return torch.cat([region_appearance(image, region) for region in regions])


def neighborhood(mask: Tensor) -> Tensor:
    """Weights [H,W] that fall off with the distance from the object's bounding box; 0 on the object."""
    inside = foreground(mask)
    box = bounding_box(inside)
    if box is None:
        raise ValueError("LocalDescribe: the mask is empty; input `mask` needs 1 on the pasted object.")
    top, bottom, left, right = box
    y = torch.arange(mask.shape[0], device=mask.device)[:, None]
    x = torch.arange(mask.shape[1], device=mask.device)[None, :]
    reach = max(bottom - 1 - top, right - 1 - left, 8) / 2
    dy = (top - y).clamp_min(0) + (y - (bottom - 1)).clamp_min(0)
    dx = (left - x).clamp_min(0) + (x - (right - 1)).clamp_min(0)
    return torch.exp(-(dy**2 + dx**2) / (2 * reach**2)) * (~inside).float()


@cache
def load_norms() -> Norms:
    data = json.loads(NORMS.read_text())
    return Norms(
        usual={name: torch.tensor(value) for name, value in data["usual"].items()},
        scale=torch.tensor(data["scale"]),
        scene_mean=torch.tensor(data["scene_mean"]),
        scene_weights=torch.tensor(data["scene_weights"]),
    )


def describe(image: Tensor, mask: Tensor, name: str) -> ImagingDescription:
    """Describe a composite by its statistics (in place of paper eq. 1's vision model).

    image: sRGB [H,W,3] in 0-1; mask: [H,W], 1 on the object; name: the object's name, "object" if unknown.
    """
    return alternatives(image, mask, name)[0]


def alternatives(image: Tensor, mask: Tensor, name: str) -> tuple[ImagingDescription, ...]:
    """Distinct descriptions of a composite, best first; inputs as for `describe`.

    They share the foreground's words. The background's name the look that the scene leads one to expect, then twice
    the way there, then a darker one.
    """
    norms = load_norms()
    image, mask = shrink(image, mask)
    actual = norms.offset(name, region_appearance(image, foreground(mask).float()))
    expected = norms.expected_offset(image, mask)
    looks = (expected, actual.lerp(expected, FARTHER), expected + torch.tensor(DARKER))
    return tuple(dict.fromkeys(ImagingDescription(name, words_for(actual), words_for(look)) for look in looks))


def shrink(image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """image [H,W,3] and mask [H,W] with the shorter side brought down to SIDE; smaller ones stay as they are."""
    factor = SIDE / min(mask.shape)
    if factor >= 1:
        return image, mask
    size = [max(1, round(side * factor)) for side in mask.shape]
    image, mask = (interpolate(x[None], size, mode="area")[0] for x in (image.movedim(-1, 0), mask[None]))
    return image.movedim(0, -1), keep_visible(mask[0])
