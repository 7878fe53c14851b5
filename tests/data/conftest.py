import pytest
import torch
from pairs import composites_folder, pairs_folder, photos, write_set  # noqa: F401
from photo_sets import photo_set  # noqa: F401


@pytest.fixture
def picture():
    generator = torch.Generator().manual_seed(0)
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., 8:24, 8:24] = 1
    return 0.5 + 0.1 * torch.randn(1, 3, 32, 32, generator=generator).clamp(-3, 3), mask
