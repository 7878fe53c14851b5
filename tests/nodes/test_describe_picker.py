"""Picking, editing and adding descriptions: the node itself, and once in the real host."""

import pytest
from graphs import add

from diff_harmonization.description.parser import parse, parse_lines
from diff_harmonization.nodes.describe_picker import DescribePicker

DOG = "dog & (foreground) bright summer & (background) winter dull"
CAT = "cat & (foreground) dim & (background) dazzling"
TREE = "tree & (foreground) cold & (background) golden"
TWO = parse_lines(f"{DOG}\n{CAT}")


def outcome(*descriptions, **inputs):
    """The picked line, all lines, and the text that the node shows."""
    output = DescribePicker.execute(descriptions, **inputs)
    description, text, every = output.args
    assert str(description) == text and description in every
    return text, [str(each) for each in every], output.ui.as_dict()["text"][0]


@pytest.mark.parametrize(("index", "expected"), [(0, DOG), (1, CAT), (2, TREE), (3, DOG), (2**32 - 1, DOG)])
def test_it_picks_and_starts_again_after_the_last(index, expected):
    picked, every, shown = outcome(*TWO, text=TREE, index=index)
    assert picked == expected and every == [DOG, CAT, TREE]
    assert [line.strip("> ") for line in shown.splitlines()] == every
    assert f"> {expected}" in shown.splitlines()


def test_what_a_node_shows_can_be_edited():
    _, _, shown = outcome(*TWO, index=1)
    picked, _, again = outcome(text=shown.replace("dazzling", "golden"), index=1)
    assert picked == CAT.replace("dazzling", "golden")
    assert again == shown.replace("dazzling", "golden")


def test_replacing_takes_the_place_of_what_is_connected():
    picked, every, shown = outcome(*TWO, text=f"\n  {TREE}  \n\n", mode="replace", index=5)
    assert picked == TREE and every == [TREE]
    assert DOG not in shown


@pytest.mark.parametrize("inputs", [{}, {"descriptions": TWO, "mode": "replace"}])
def test_nothing_to_pick_from(inputs):
    with pytest.raises(ValueError, match="^DescribePicker: .*descriptions.*text"):
        DescribePicker.execute(**inputs)


def test_a_wrong_line_is_named():
    with pytest.raises(ValueError, match="^DescribePicker, input text: line 2.*a cat in the snow"):
        DescribePicker.execute(text=f"{DOG}\na cat in the snow")


def test_words_outside_the_vocabulary():
    spooky = "cat & (foreground) spooky & (background) dim"
    with pytest.raises(ValueError, match="spooky"):
        DescribePicker.execute(text=spooky)
    assert outcome(text=spooky, strict=False)[0] == str(parse(spooky, strict=False)) == spooky


def test_in_the_host_it_picks_from_another_nodes_descriptions(server):
    graph = add({}, "first", "DescribePicker", text=f"{DOG}\n{CAT}")
    add(graph, "picker", "DescribePicker", descriptions=["first", 2], text=TREE, index=4)
    add(graph, "words", "PreviewAny", source=["picker", 1])
    outputs = server.run(graph)
    assert outputs["words"]["text"] == [CAT]
    assert [line.strip("> ") for line in outputs["picker"]["text"][0].splitlines()] == [DOG, CAT, TREE]
