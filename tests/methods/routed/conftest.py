import numpy as np
import pytest
import torch
from graphs import EXAMPLE
from PIL import Image

from diff_harmonization.methods.routed.instances import load_backbone


@pytest.fixture(scope="session")
def backbone():
    return load_backbone()


@pytest.fixture(scope="session")
def scene():
    """A drawn picture [240,320,3]: sky above ground, a tree of noise at the left, and one like it as the object."""
    dice = torch.Generator().manual_seed(0)
    image = torch.empty(240, 320, 3)
    image[:120], image[120:] = torch.tensor([0.4, 0.6, 0.9]), torch.tensor([0.7, 0.6, 0.5])
    leaves = torch.tensor([0.2, 0.5, 0.1]) * torch.rand(100, 60, 1, generator=dice)
    image[60:160, 30:90], image[60:160, 200:260] = leaves, leaves.flip(0) + torch.tensor([0.2, 0.0, 0.0])
    mask = torch.zeros(240, 320)
    mask[60:160, 200:260] = 1
    return image, mask


@pytest.fixture(scope="session")
def example():
    """A shipped composite [H,W,3] and its mask [H,W]."""
    with Image.open(EXAMPLE / "composite.jpg") as composite, Image.open(EXAMPLE / "mask.png") as mask:
        image = torch.from_numpy(np.array(composite.convert("RGB"))) / 255
        return image, torch.from_numpy(np.array(mask.convert("L"))) / 255
