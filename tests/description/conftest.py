import pytest
import torch
from vision_models import clip_folder, llava_folder, offline  # noqa: F401


@pytest.fixture
def composite():
    """A picture [H,W,3] of noise, and the mask of a box in it."""
    mask = torch.zeros(60, 80)
    mask[10:40, 20:50] = 1
    return torch.rand(60, 80, 3, generator=torch.Generator().manual_seed(0)), mask
