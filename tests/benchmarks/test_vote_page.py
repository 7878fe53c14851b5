import base64
import io
import json
import re
from itertools import combinations

import numpy as np
import pytest
from PIL import Image

from diff_harmonization.benchmarks.vote_page import Shown, outline, shuffled_ballots, vote_page


@pytest.fixture
def shown():
    """Two composites in plain colors, red by one method, blue by the other."""
    mask = Image.new("L", (40, 30))
    mask.paste(255, (10, 10, 20, 20))
    pictures = {name: Image.new("RGB", (40, 30), name) for name in ("red", "blue")}
    return [Shown("011", "boy", pictures, mask), Shown("003", "</script> house", pictures, mask)]


def data_of(page):
    """What the page's script reads."""
    (data,) = re.findall(r'<script id="data" type="application/json">(.*?)</script>', page, re.DOTALL)
    return json.loads(data)


def picture_of(uri):
    return Image.open(io.BytesIO(base64.b64decode(uri.partition("base64,")[2])))


def test_every_pair_meets_once_on_every_composite():
    ballots = shuffled_ballots(5, 3, seed=0)
    assert sorted((c, *sorted(sides)) for c, *sides in ballots) == [
        (c, *pair) for c in range(5) for pair in combinations(range(3), 2)
    ]


def test_order_and_sides_are_shuffled_by_the_seed():
    ballots = shuffled_ballots(20, 2, seed=0)
    assert ballots == shuffled_ballots(20, 2, seed=0)
    assert ballots != shuffled_ballots(20, 2, seed=1)
    assert [c for c, *_ in ballots] != sorted(c for c, *_ in ballots)
    assert 4 < sum(left for _, left, _ in ballots) < 16


def test_the_page_holds_its_pictures(shown):
    data = data_of(vote_page(shown, seed=0))
    assert data["methods"] == ["red", "blue"]
    assert [(one["id"], one["object"]) for one in data["composites"]] == [("011", "boy"), ("003", "</script> house")]
    for one in data["composites"]:
        red, blue = (np.asarray(picture_of(uri)) for uri in one["pictures"])
        assert red.shape == (30, 40, 3)
        assert red[..., 0].min() > 250 and blue[..., 2].min() > 250
        assert picture_of(one["outline"]).size == (40, 30)


def test_the_page_asks_the_network_for_nothing(shown):
    page = vote_page(shown, seed=0)
    assert "default-src 'none'" in page
    assert not re.search(r"https?:|src=|href=", page)


def test_the_outline_surrounds_the_object_and_hides_none_of_it(shown):
    line, alpha = (np.asarray(plane) for plane in outline(shown[0].mask).split())
    assert not alpha[10:20, 10:20].any()
    assert (line[8:10, 8:22] == 255).all() and (alpha[8:10, 8:22] == 255).all()  # white
    assert (line[6:8, 6:24] == 0).all() and (alpha[6:8, 6:24] == 255).all()  # black
    assert not alpha[:6].any() and not alpha[:, 24:].any()
