import io

import numpy as np
import pytest
import torch
from PIL import Image

from diff_harmonization.description.pictures import encode_pictures


def read(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as picture:
        return np.asarray(picture)


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [(40, 60, (60, 40)), (1024, 1024, (1024, 1024)), (3000, 2000, (683, 1024)), (5000, 3, (1, 1024)), (1, 1, (1, 1))],
)
def test_sizes(height, width, expected):
    pictures = encode_pictures(torch.rand(height, width, 3), torch.ones(height, width))
    assert pictures.size == expected
    assert read(pictures.composite).shape == (*expected[::-1], 3)
    assert read(pictures.mask).shape == expected[::-1]


def test_values_survive():
    image = torch.zeros(64, 64, 3)
    image[:, 32:] = torch.tensor([1.0, 0.5, 0.25])
    mask = torch.zeros(64, 64)
    mask[:, 32:] = 1
    pictures = encode_pictures(image, mask)
    assert np.abs(read(pictures.composite)[:, 40:].reshape(-1, 3).mean(0) - [255, 128, 64]).max() < 3
    assert (read(pictures.mask) == mask.numpy() * 255).all()


def test_values_out_of_range_are_clipped():
    pictures = encode_pictures(torch.full((8, 8, 3), 1.5), torch.full((8, 8), -0.5))
    assert (read(pictures.composite) == 255).all() and (read(pictures.mask) == 0).all()


def test_a_small_object_stays_visible():
    mask = torch.zeros(3000, 3000)
    mask[1500:1503, 1500:1503] = 1
    assert read(encode_pictures(torch.zeros(3000, 3000, 3), mask).mask).max() > 80
