"""A reader of the README, with no other help, gets a picture of their own harmonized; the path is real clicks."""

import re

import numpy as np
import pytest
from graphs import WORKFLOWS
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from diff_harmonization.tools.walk import lines, walk_through

README = (WORKFLOWS.parent / "README.md").read_text(encoding="utf-8")
OBJECT_MASK = "return app.nodeOutputs[app.graph.nodes.find(node => node.title == 'Object Mask').id].text[0]"
PAINTED = "The mask is the one that is painted on the picture, brought to the object's edge."
FILE = "The mask is the one of the file."
REACH = 41  # pixels of the picture about the object that a brush of the editor may cover


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """(picture, mask) as a user's files: under names and of a size that the pack has never seen."""
    folder, example = tmp_path_factory.mktemp("own"), WORKFLOWS / "examples" / "person_mountain"
    for name, source in (("my picture.png", "composite.jpg"), ("my mask.png", "mask.png")):
        with Image.open(example / source) as picture:
            picture.resize((800, 600)).save(folder / name)
    return folder / "my picture.png", folder / "my mask.png"


@pytest.mark.parametrize(("mask_file", "clicks", "files", "told"), [(False, 9, 1, PAINTED), (True, 6, 2, FILE)])
def test_a_picture_of_ones_own_is_harmonized(page, server, own, mask_file, clicks, files, told):
    picture, mask = own
    walk, result = walk_through(page, server.url, picture, mask, mask_file)
    assert (walk.clicks, walk.files, len(walk.path)) == (clicks, files, clicks)
    assert page.execute_script(OBJECT_MASK) == told
    with Image.open(picture) as before, Image.open(mask) as marked:
        change = np.asarray(ImageChops.difference(result, before.convert("RGB"))).max(-1)
        object_ = np.asarray(marked.convert("L"))
        reached = np.asarray(marked.convert("L").filter(ImageFilter.MaxFilter(REACH)))
    assert np.median(change[object_ > 127]) > 5  # a portrait in warm light under a clear sky
    assert change[(object_ if mask_file else reached) == 0].max() == 0


def test_the_readme_says_what_the_walk_clicks_on(own):
    """The words of the three steps, and the count of clicks."""
    steps = README.split("## Three steps")[1].split("\n## ")[0]
    for words in ("Templates", "diff_harmonization", "harmonize_routed", "choose file to upload", "Composite"):
        assert words in steps
    for words in ("right-click", "Open in MaskEditor", "Save", "Run", "output/harmonize"):
        assert words in steps
    assert re.search(r"9 clicks", steps) and re.search(r"6 clicks", steps)
    assert "python -m diff_harmonization.tools.walk" in steps


def test_lines_stay_on_the_object():
    marked = Image.new("L", (60, 40))
    marked.paste(255, (20, 10, 50, 30))
    points = lines(marked, 5)
    assert points == [(25, 15), (44, 15), (44, 20), (25, 20)]
    drawn = ImageDraw.Draw(painted := Image.new("L", (60, 40)))
    drawn.line(points, 255, 11)
    assert ImageChops.subtract(painted, marked).getbbox() is None  # nothing beside the object
