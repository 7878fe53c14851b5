"""How objects usually look, and how they would look in a scene: the numbers of norms.json."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from ...core.masks import foreground
from ..vocabulary import known_object
from .appearance import region_appearance
from .scene import scene_features

NORMS = Path(__file__).with_name("norms.json")


@dataclass(frozen=True)
class Norms:
    """How objects usually look, and how that follows from the scene around them."""

    usual: dict[str, Tensor]  # kind of object -> appearance [5], Lab units; "object" stands for every other kind
    scale: Tensor  # [5], the spread of appearance within one kind of object, Lab units
    scene_mean: Tensor  # [F]
    scene_weights: Tensor  # [F, 5]: expected offset = (scene features - scene_mean) @ scene_weights

    def offset(self, name: str, appearance: Tensor) -> Tensor:
        """How far an appearance lies from the usual one of such an object.

        Args:
            name: the object's name; one that stands for no known kind is read as any object.
            appearance: [...,5], Lab units.

        Returns:
            [...,5] in units of `scale`.
        """
        return (appearance - self.usual_look(name)) / self.scale

    def usual_look(self, name: str) -> Tensor:
        """The usual appearance [5] of such an object, Lab units: of any object where its kind is not known."""
        return self.usual.get(known_object(name), self.usual["object"])

    def object_offset(self, name: str, image: Tensor, mask: Tensor) -> Tensor:
        """How far the look of a picture's object lies from the usual one of its kind.

        Args:
            name: see `offset`.
            image: sRGB [H,W,3] in 0-1.
            mask: [H,W] in 0-1, 1 on the object.

        Returns:
            [5] in units of `scale`.
        """
        return self.offset(name, region_appearance(image, foreground(mask).float()).cpu())

    def expected_offset(self, image: Tensor, mask: Tensor, importance: Tensor | None = None) -> Tensor:
        """The offset that an object would have if it belonged to the scene (ridge regression).

        Args:
            image: sRGB [H,W,3] in 0-1.
            mask: [H,W], 1 on the object.
            importance: [H,W], how much each pixel of the scene counts, 0 or more. None: all the same.

        Returns:
            [5] in units of `scale`.
        """
        return (scene_features(image, mask, importance).cpu() - self.scene_mean) @ self.scene_weights


@cache
def load_norms() -> Norms:
    data = json.loads(NORMS.read_text())
    return Norms(
        usual={name: torch.tensor(value) for name, value in data["usual"].items()},
        scale=torch.tensor(data["scale"]),
        scene_mean=torch.tensor(data["scene_mean"]),
        scene_weights=torch.tensor(data["scene_weights"]),
    )
