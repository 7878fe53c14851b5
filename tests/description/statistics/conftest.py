import pytest
import torch
from kornia.color import lab_to_rgb

from diff_harmonization.description.statistics.norms import load_norms

SIZE = 48


@pytest.fixture
def mask():
    mask = torch.zeros(SIZE, SIZE)
    mask[16:34, 14:30] = 1
    return mask


@pytest.fixture
def scene(mask):
    """A sky over a meadow, and an object that looks as such objects usually do."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.linspace(0, 1, SIZE)[:, None, None]
    image = (1 - rows) * torch.tensor([0.55, 0.7, 0.9]) + rows * torch.tensor([0.35, 0.45, 0.2])
    image = image.expand(SIZE, SIZE, 3)
    usual = load_norms().usual["car"]
    lab = usual[:3] + torch.randn(SIZE, SIZE, 3, generator=generator) * usual[4] * torch.tensor([1.0, 0.2, 0.2])
    lab[..., 0].clamp_(0, 100)
    car = lab_to_rgb(lab.movedim(-1, 0)[None])[0].movedim(0, -1)
    return torch.where(mask[..., None] > 0, car, image)
