"""A photo set (images/ID.jpg, masks/ID.png, index.csv) and its fixed splits."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

# For the benchmarks, and for whatever they measure against: "train" holds nothing that they set aside.
Split = Literal["train", "tune", "report"]
# The evaluator is measured on photos of its own, of both kinds, which its training leaves out as well.
EvaluatorSplit = Literal["evaluator_train", "evaluator_held_back"]
SPLITS = Path(__file__).with_name("splits.json")
# Groups of splits.json: a split is one of them, or every photo that is in none of several.
GROUP_OF = {"tune": "tune", "report": "report", "evaluator_held_back": "held_back"}
SET_ASIDE_BY_BENCHMARKS = ("tune", "report", "benchmark_duplicates")
LEFT_OUT_OF = {
    "train": SET_ASIDE_BY_BENCHMARKS,
    "evaluator_train": (*SET_ASIDE_BY_BENCHMARKS, "held_back", "held_back_duplicates"),
}


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
        """[H,W] in 0-1, as its file has it."""
        return read_mask(self.folder / "masks" / f"{self.id}.png")

    def foreground(self) -> Tensor:
        """[H,W], 1 on the object, 0 elsewhere."""
        return (self.mask() > 0.5).float()


def read_image(path: Path) -> Tensor:
    """A picture's file as sRGB [H,W,3] in 0-1."""
    with Image.open(path) as file:
        return torch.from_numpy(np.array(file.convert("RGB"))).float() / 255


def read_mask(path: Path) -> Tensor:
    """A mask's file as [H,W] in 0-1."""
    with Image.open(path) as file:
        return torch.from_numpy(np.array(file.convert("L"))).float() / 255


@cache
def split_ids() -> dict[str, list[str]]:
    """Group -> ids of its photos.

    Returns:
        "tune" and "report", natural photos for the benchmarks; "held_back", photos of both kinds to measure the
        evaluator on; "benchmark_duplicates" and "held_back_duplicates", near-duplicates of these.
    """
    return json.loads(SPLITS.read_text())


def read_photos(folder: Path, split: Split | EvaluatorSplit) -> list[Photo]:
    """The photos of a split, in the order of the folder's index.

    Args:
        folder: photo set; photos that splits.json does not know belong to "train" and "evaluator_train".
        split: "tune" or "report" for the benchmarks; "train" is everything that they do not set aside. Of that,
            "evaluator_held_back" is for measuring the evaluator, and "evaluator_train" for its training.

    Raises:
        FileNotFoundError: when the folder has no index.csv.
        ValueError: when the index lacks a column.
    """
    rows, ids = read_index(folder, ("id", "object", "kind"), "photo set", "images/ and masks/"), split_ids()
    photos = [Photo(row["id"], row["object"], row["kind"] == "natural", folder) for row in rows]
    if split in LEFT_OUT_OF:
        left_out = {photo_id for group in LEFT_OUT_OF[split] for photo_id in ids[group]}
        return [photo for photo in photos if photo.id not in left_out]
    wanted = set(ids[GROUP_OF[split]])
    return [photo for photo in photos if photo.id in wanted]


def read_natural(folder: Path, split: Split | EvaluatorSplit) -> list[Photo]:
    """The natural photos of a split: of a pasted object nobody knows the true colors. See `read_photos`."""
    return [photo for photo in read_photos(folder, split) if photo.natural]


def read_index(folder: Path, columns: Sequence[str], what: str, beside: str) -> list[dict[str, str]]:
    """The rows of a folder's index.csv, in their order.

    Args:
        folder: with the index.
        columns: that it must have; further ones are left in.
        what: the words for what the folder holds, for messages.
        beside: likewise, the words for what lies beside the index.

    Raises:
        FileNotFoundError: when there is no index.
        ValueError: when it lacks a column.
    """
    index, expected = folder / "index.csv", ",".join(columns)
    if not index.is_file():
        raise FileNotFoundError(f"No {what} in {folder}: expected index.csv ({expected}) beside {beside}.")
    with index.open(newline="") as file:
        rows = csv.DictReader(file)
        missing = set(columns) - set(rows.fieldnames or ())
        if missing:
            raise ValueError(f"{index} lacks the column {', '.join(sorted(missing))}; expected {expected}.")
        return list(rows)
