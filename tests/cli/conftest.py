import pytest
from PIL import Image


@pytest.fixture(autouse=True)
def _own_threads(threads):
    """For every test of a command."""


@pytest.fixture
def pictures(tmp_path):
    """A composite of 40x24 pixels and its mask."""
    Image.effect_mandelbrot((40, 24), (-2, -1, 1, 1), 50).convert("RGB").save(tmp_path / "dog.png")
    mask = Image.new("L", (40, 24))
    mask.paste(255, (10, 5, 30, 20))
    mask.save(tmp_path / "dog_mask.png")
    return tmp_path / "dog.png", tmp_path / "dog_mask.png"


@pytest.fixture
def inverting():
    """The host's own nodes in the shape of the shipped workflow: the mask chooses what is inverted."""
    return {
        "1": {"class_type": "LoadImage", "inputs": {"image": "?"}, "_meta": {"title": "Composite"}},
        "2": {"class_type": "LoadImageMask", "inputs": {"image": "?", "channel": "red"}, "_meta": {"title": "Mask"}},
        "3": {"class_type": "LocalDescribe", "inputs": {"image": ["1", 0], "mask": ["2", 0], "object": "object"}}
        | {"_meta": {"title": "Describe"}},
        "4": {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}},
        "5": {
            "class_type": "ImageCompositeMasked",
            "inputs": {"destination": ["1", 0], "source": ["4", 0], "mask": ["2", 0], "x": 0, "y": 0}
            | {"resize_source": False},
        },
        "6": {"class_type": "SaveImage", "inputs": {"images": ["5", 0], "filename_prefix": "demo/result"}},
        "7": {"class_type": "SaveImage", "inputs": {"images": ["4", 0], "filename_prefix": "demo/edit"}},
        "8": {"class_type": "PreviewImage", "inputs": {"images": ["4", 0]}},
    }
