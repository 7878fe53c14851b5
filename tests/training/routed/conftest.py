import random

import pytest
from photo_sets import photo_set  # noqa: F401

from diff_harmonization.methods.routed.instances import load_backbone
from diff_harmonization.training.routed.crops import cut_crops, training_photos
from diff_harmonization.training.routed.sampler import Sampler


@pytest.fixture(scope="session")
def backbone():
    return load_backbone()


@pytest.fixture(scope="session")
def routed_crops(photo_set, backbone):  # noqa: F811
    return cut_crops(training_photos(photo_set), backbone, 4, random.Random(0))


@pytest.fixture
def sampler(routed_crops):
    return Sampler(routed_crops, seed=0)
