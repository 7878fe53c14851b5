"""The demo's own steps: choosing pictures, filling in the workflow, writing what came back."""

import copy

import pytest
from rich.console import Console

from diff_harmonization.demo.__main__ import Example, harmonize, shipped_example, with_inputs

DESCRIPTION = "dog & (foreground) bright summer & (background) winter dull"


def test_pictures_go_into_the_titled_nodes(inverting):
    before = copy.deepcopy(inverting)
    filled = with_inputs(inverting, "a.png", "b.png", None)
    assert filled["1"]["inputs"] == {"image": "a.png"}
    assert filled["2"]["inputs"] == {"image": "b.png", "channel": "red"}
    assert filled["3"] == before["3"]
    assert inverting == before


def test_a_description_takes_the_describing_nodes_place(inverting):
    node = with_inputs(inverting, "a.png", "b.png", DESCRIPTION)["3"]
    assert (node["class_type"], node["inputs"]) == ("TextDescribe", {"description": DESCRIPTION})


def test_a_workflow_without_the_titles_is_refused(inverting):
    del inverting["2"]
    with pytest.raises(ValueError, match="no node titled 'Mask'"):
        with_inputs(inverting, "a.png", "b.png", None)


def test_the_first_example_is_the_default():
    first = shipped_example(None)
    assert shipped_example(first.name) == first
    with pytest.raises(ValueError, match=f"no example 'nothing'.*{first.name}"):
        shipped_example("nothing")


def test_a_missing_picture_is_named(tmp_path, pictures):
    with pytest.raises(FileNotFoundError, match=r"no mask .*absent\.png"):
        Example("dog", pictures[0], tmp_path / "absent.png")


def test_a_workflow_that_saves_too_little_fails_loudly(host_path, inverting, pictures, tmp_path):
    with pytest.raises(ValueError, match=r"did not save lut\.cube, side_by_side\.png; it saved"):
        harmonize(host_path, Example("dog", *pictures), inverting, tmp_path / "out", Console(quiet=True))
    assert (tmp_path / "out" / "dog" / "edit.png").is_file()
    log = (tmp_path / "out" / "server.log").read_text(errors="replace")
    assert "Starting server" in log
    assert "ERROR" not in log
