import pytest
import torch
from tiny_models import CONTEXT_DIM, tiny_clip, tiny_model


@pytest.fixture
def executor():
    """Runs a test as the host runs a node."""
    with torch.inference_mode():
        yield


@pytest.fixture
def model():
    return tiny_model()


@pytest.fixture
def clip():
    return tiny_clip()


@pytest.fixture
def latent():
    return torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(2))


@pytest.fixture
def context():
    return torch.randn(1, 77, CONTEXT_DIM, generator=torch.Generator().manual_seed(3))


@pytest.fixture
def sigmas():
    return torch.tensor([2.0, 1.0, 0.0])
