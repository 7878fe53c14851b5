"""Fit norms.json, how each kind of object usually looks, on the training photos."""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...data.photos import read_photos
from ...description.statistics.appearance import region_appearance
from ...description.statistics.norms import NORMS
from ...description.statistics.scene import scene_features

logger = logging.getLogger(__name__)

PRIOR = 8.0  # photos' worth of the average object that a rare object's usual look is drawn towards
RIDGE = 10.0


def fit(names: list[str], looks: Tensor, scenes: Tensor) -> dict[str, Any]:
    """The content of norms.json.

    Args:
        names: of N photos' objects.
        looks: their appearances, [N,5].
        scenes: features of their surroundings, [N,F].

    Returns:
        "usual": the look of each kind of object, drawn towards the average where photos are few; "scale": the spread
        about it; "scene_mean" and "scene_weights": a ridge regression of that difference from the scene.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for index, name in enumerate(names):
        groups[name].append(index)
    average = torch.stack([looks[rows].mean(0) for rows in groups.values()]).mean(0)
    usual = {
        name: (looks[rows].sum(0) + PRIOR * average) / (len(rows) + PRIOR) for name, rows in sorted(groups.items())
    }
    residual = looks - torch.stack([usual[name] for name in names])
    scale = residual.std(0)
    mean, spread = scenes.mean(0), scenes.std(0)
    features = (scenes - mean) / spread
    gram = features.T @ features + RIDGE * torch.eye(features.shape[1])
    weights = torch.linalg.solve(gram, features.T @ (residual / scale)) / spread[:, None]
    usual["object"] = average

    def rounded(values: Tensor) -> list:
        return [rounded(v) if v.ndim else round(v.item(), 5) for v in values]

    return {
        "usual": {name: rounded(value) for name, value in usual.items()},
        "scale": rounded(scale),
        "scene_mean": rounded(mean),
        "scene_weights": rounded(weights),
    }


def fit_photos(photos: Path, output: Path | None = None) -> None:
    """Fit the norms on the natural photos of the split "train".

    Args:
        photos: photo set.
        output: file to write; None is norms.json, which the pack reads.

    Raises:
        ValueError: when there is no natural photo to learn from.
    """
    names, looks, scenes = [], [], []
    for photo in read_photos(photos, "train"):
        if not photo.natural:
            continue
        image, mask = photo.image(), photo.mask()
        names.append(photo.object)
        looks.append(region_appearance(image, (mask > 0.5).float()))
        scenes.append(scene_features(image, mask))
    if not names:
        raise ValueError(f"{photos} has no natural photo to learn from (column kind of index.csv).")
    path = output or NORMS
    path.write_text(json.dumps(fit(names, torch.stack(looks), torch.stack(scenes)), indent=1) + "\n")
    logger.info("%s: %d photos, %d kinds of object", path.name, len(names), len(set(names)))
