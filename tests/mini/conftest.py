import logging

import pytest
import torch

from diff_harmonization.mini.loader import load_mini

logging.getLogger("diff_harmonization").setLevel(logging.DEBUG)


@pytest.fixture(scope="session")
def handles():
    """MODEL, CLIP, VAE of the embedded weights, loaded as a node loads them."""
    with torch.inference_mode():
        return load_mini()
