import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

EXAMPLES = Path(__file__).parents[2] / "workflows" / "examples"
INDEX = json.loads((EXAMPLES / "index.json").read_text())
VOCABULARY = """
dazzling bright dim dull shaded shadowed cloudy sunny rainy snowy foggy windy stormy clear misty hot warm cool cold icy
spring summer autumn winter dawn sunrise daylight twilight sunset dusk dark night greyscale neon golden white blue green
yellow orange red earthy city rural lake ocean mountain forest desert grassland sky space indoor street
"""


def size(example: dict[str, str]) -> tuple[int, int]:
    with Image.open(EXAMPLES / example["composite"]) as composite:
        return composite.size


@pytest.mark.parametrize("example", INDEX, ids=lambda example: example["name"])
def test_composite_and_mask_fit(example):
    with Image.open(EXAMPLES / example["composite"]) as composite, Image.open(EXAMPLES / example["mask"]) as mask:
        assert (composite.mode, mask.mode) == ("RGB", "L")
        assert composite.size == mask.size
        pixels = np.asarray(mask)
    assert 0.02 < (pixels >= 100).mean() < 0.85
    assert np.isin(pixels, (0, 255)).mean() > 0.9  # nearly everything is decided


@pytest.mark.parametrize("example", INDEX, ids=lambda example: example["name"])
def test_descriptions_use_the_vocabulary(example):
    names = set()
    for description in example["descriptions"]:
        match = re.fullmatch(r"(\w+) & \(foreground\) ([\w ]+) & \(background\) ([\w ]+)", description)
        assert match
        assert set(match[2].split()) | set(match[3].split()) <= set(VOCABULARY.split())
        names.add(match[1])
    assert len(names) == 1 and len(set(example["descriptions"])) == len(example["descriptions"]) >= 2


def test_each_is_credited_and_the_set_is_small():
    readme = (EXAMPLES / "README.md").read_text()
    assert len(INDEX) >= 3
    for example in INDEX:
        assert readme.count(f"`{example['name']}`") >= 3
        assert all(f"`{description}`" in readme for description in example["descriptions"])
    assert max(max(size(example)) for example in INDEX) >= 4000
    assert sum(path.stat().st_size for path in EXAMPLES.rglob("*") if path.is_file()) < 12e6
