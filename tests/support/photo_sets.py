"""Small photo sets on disk, for trainings and benchmarks."""

import csv
import random

import numpy as np
import pytest
from PIL import Image

from diff_harmonization.data.photos import read_photos
from diff_harmonization.training.evaluator.crops import cut_crops


@pytest.fixture(scope="session")
def photo_set(tmp_path_factory):
    """Eight photographs of colored noise with a box as object, of both kinds, in the photo set's layout."""
    folder = tmp_path_factory.mktemp("photos")
    dice = np.random.default_rng(0)
    for kind in ("images", "masks"):
        (folder / kind).mkdir()
    rows = [["id", "kind", "object"]]
    for index in range(8):
        natural, name = index < 5, "tree" if index % 2 else "car"
        height, width = (72, 72) if natural else (72, 96)
        mask = np.zeros((height, width), np.uint8)
        mask[20:50, 24:60] = 255
        tone, noise = dice.integers(60, 190, (2, 1, 3)), dice.integers(-30, 30, (height, width, 3))
        pixels = np.where(mask[..., None] > 0, tone[0], tone[1]) + noise
        Image.fromarray(pixels.astype(np.uint8)).save(folder / "images" / f"t{index}.jpg", quality=95)
        Image.fromarray(mask).save(folder / "masks" / f"t{index}.png")
        rows.append([f"t{index}", "natural" if natural else "composite", name])
    with (folder / "index.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return folder


@pytest.fixture(scope="session")
def crops(photo_set):
    return cut_crops(read_photos(photo_set, "evaluator_train"), 4, 2, random.Random(0))
