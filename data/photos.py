"""The photo set (images/ID.jpg, masks/ID.png, index.csv) and its fixed split into train, tune and report."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

Split = Literal["train", "tune", "report"]
SPLITS = Path(__file__).with_name("splits.json")


@dataclass(frozen=True)
class Photo:
    """One photograph with the mask of its object."""

    id: str
    object: str
    natural: bool
    folder: Path

    def image(self) -> Tensor:
        """sRGB [H,W,3] in 0-1."""
        return read_image(self.folder / "images" / f"{self.id}.jpg")

    def mask(self) -> Tensor:
        """[H,W], 1 on the object."""
        return read_mask(self.folder / "masks" / f"{self.id}.png")


def read_image(path: Path) -> Tensor:
    with Image.open(path) as file:
        return torch.from_numpy(np.array(file.convert("RGB"))).float() / 255


def read_mask(path: Path) -> Tensor:
    with Image.open(path) as file:
        return torch.from_numpy(np.array(file.convert("L"))).float() / 255


@cache
def split_ids() -> dict[str, list[str]]:
    """Ids of the held-back natural photos ("tune", "report") and of near-duplicates of them ("duplicates")."""
    return json.loads(SPLITS.read_text())


def read_photos(folder: Path, split: Split) -> list[Photo]:
    """Photos of a split. "train" is everything that is neither held back nor a near-duplicate of what is."""
    index = folder / "index.csv"
    if not index.is_file():
        raise FileNotFoundError(f"No photo set at {folder}: expected index.csv beside images/ and masks/.")
    with index.open(newline="") as file:
        rows = list(csv.DictReader(file))
    photos = [Photo(row["id"], row["object"], row["kind"] == "natural", folder) for row in rows]
    ids = split_ids()
    if split == "train":
        held_back = {photo_id for group in ids.values() for photo_id in group}
        return [photo for photo in photos if photo.id not in held_back]
    wanted = set(ids[split])
    return [photo for photo in photos if photo.id in wanted]
