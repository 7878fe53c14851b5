"""Squares for the trainings that let a network propose."""

import pytest
import torch

from diff_harmonization.training.crops import Crops

SIDE = 128


@pytest.fixture(scope="module")
def crops():
    """Squares of colored cells around a box; nothing else of the scene looks like the box."""
    cells = torch.randint(256, (8, 3, 8, 8), generator=torch.Generator().manual_seed(0)).byte()
    images = cells.repeat_interleave(SIDE // 8, -1).repeat_interleave(SIDE // 8, -2)
    planes = torch.zeros(8, 2, SIDE, SIDE, dtype=torch.uint8)
    planes[..., 32:96, 32:96] = 255
    return Crops(images, planes, ["tree", "car"] * 4, torch.ones(8, dtype=torch.bool), [f"p{i}" for i in range(8)])
