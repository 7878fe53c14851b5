"""PiDiNet's networks: with random weights, and with the published tiny ones where they are at hand."""

import os
from pathlib import Path

import pytest
import torch

from diff_harmonization.methods.zero_shot.structure.pidinet import empty_network


@pytest.fixture
def float64():
    """The network makes some of its kernels in the default dtype."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture
def network():
    """Makes a network of 60 or 20 channels, its weights random with a fixed seed."""

    def make(channels):
        torch.manual_seed(0)
        return empty_network(channels)

    return make


@pytest.fixture(scope="session")
def tiny_weights() -> Path:
    """HARMONY_PIDINET names a folder with table5_pidinet-tiny.pth; it is under a research license and not shipped."""
    path = Path(os.environ.get("HARMONY_PIDINET", "")) / "table5_pidinet-tiny.pth"
    if not path.is_file():
        pytest.skip("HARMONY_PIDINET names no folder with table5_pidinet-tiny.pth.")
    return path


@pytest.fixture
def image():
    """Two gray pictures with a bright square and a little texture, [2,3,24,20] in 0-1."""
    image = torch.full((2, 3, 24, 20), 0.3)
    image[:, :, 6:18, 5:15] = torch.tensor([0.8, 0.7, 0.5]).view(3, 1, 1)
    return image + 0.02 * torch.randn(image.shape, generator=torch.Generator().manual_seed(1))
