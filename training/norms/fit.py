"""Fit norms.json on the training photos: `python -m diff_harmonization.training.norms.fit --photos FOLDER`."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Annotated

import torch
import typer
from torch import Tensor

from ...data.photos import read_photos
from ...description.statistics.appearance import region_appearance
from ...description.statistics.norms import NORMS
from ...description.statistics.scene import scene_features

PRIOR = 8.0  # photos' worth of the average object that a rare object's usual look is drawn towards
RIDGE = 10.0


def fit(names: list[str], looks: Tensor, scenes: Tensor) -> dict:
    """names of N objects, their appearances [N,5] and scene features [N,F] -> the content of norms.json."""
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


def main(photos: Annotated[Path, typer.Option(help="Folder with images/, masks/ and index.csv.")]) -> None:
    names, looks, scenes = [], [], []
    for photo in read_photos(photos, "train"):
        if not photo.natural:
            continue
        image, mask = photo.image(), photo.mask()
        names.append(photo.object)
        looks.append(region_appearance(image, (mask > 0.5).float()))
        scenes.append(scene_features(image, mask))
    NORMS.write_text(json.dumps(fit(names, torch.stack(looks), torch.stack(scenes)), indent=1) + "\n")
    typer.echo(f"{NORMS.name}: {len(names)} photos, {len(set(names))} kinds of object")


if __name__ == "__main__":
    typer.run(main)
