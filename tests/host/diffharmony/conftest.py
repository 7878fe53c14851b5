import pytest
import torch
from harmony_vaes import lively_vae
from tiny_models import tiny_clip, tiny_model, tiny_vae

from diff_harmonization.host.diffharmony.harmonizer import Models, SamplingSettings


@pytest.fixture
def models():
    """An inpainting model of SD1's kind with few weights, and what belongs to it."""
    return Models(tiny_model(version=1, channels=9), tiny_clip(version=1), tiny_vae())


@pytest.fixture
def with_details(models):
    return Models(models.model, models.clip, models.vae, lively_vae())


@pytest.fixture
def settings():
    return SamplingSettings(size=64, seed=3)


@pytest.fixture
def photos():
    """Two pictures [2,H,W,3] of uneven sides and their masks, the second with a soft edge."""
    image = torch.rand(2, 75, 101, 3, generator=torch.Generator().manual_seed(0))
    mask = torch.zeros(2, 75, 101)
    mask[0, 20:50, 30:70] = mask[1, 40:70, 10:60] = 1
    mask[1, 38:40, 10:60] = 0.6
    return image, mask
