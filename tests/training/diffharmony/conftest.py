import random

import pytest
import torch
from photo_sets import photo_set  # noqa: F401

from diff_harmonization.data.photos import read_photos
from diff_harmonization.mini.diffharmony.unet import SIZE
from diff_harmonization.training.evaluator.crops import cut_crops
from diff_harmonization.training.routed.sampler import Sampler


@pytest.fixture(scope="session")
def squares(photo_set):  # noqa: F811
    return cut_crops(
        [photo for photo in read_photos(photo_set, "train") if photo.natural], 1, 2, random.Random(0), SIZE
    )


@pytest.fixture(scope="session")
def sampler(squares):
    return Sampler(squares, seed=0)


@pytest.fixture
def executor():
    """Runs a test as the host runs a node."""
    with torch.inference_mode():
        yield
