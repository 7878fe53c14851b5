"""Picking, editing and adding descriptions in the real host."""

import pytest
from graphs import add, refusal

DOG = "dog & (foreground) bright summer & (background) winter dull"
CAT = "cat & (foreground) dim & (background) dazzling"
TREE = "tree & (foreground) cold & (background) golden"


@pytest.fixture
def picker(server):
    """The graph of a picker, to which another gives its descriptions."""

    def run(first="", **inputs):
        graph = {}
        if first:
            add(graph, "first", "DescribePicker", text=first)
            inputs["descriptions"] = ["first", 2]
        add(graph, "picker", "DescribePicker", **inputs)
        add(graph, "words", "PreviewAny", source=["picker", 1])
        return graph

    return run


def outcome(server, graph):
    outputs = server.run(graph)
    return outputs["words"]["text"][0], outputs["picker"]["text"][0]


@pytest.mark.parametrize(("index", "expected"), [(0, DOG), (1, CAT), (2, TREE), (3, DOG), (2**32 - 1, DOG)])
def test_it_picks_and_starts_again_after_the_last(server, picker, index, expected):
    picked, shown = outcome(server, picker(f"{DOG}\n{CAT}", text=TREE, index=index))
    assert picked == expected
    assert [line.strip("> ") for line in shown.splitlines()] == [DOG, CAT, TREE]
    assert f"> {expected}" in shown.splitlines()


def test_what_a_node_shows_can_be_edited(server, picker):
    _, shown = outcome(server, picker(f"{DOG}\n{CAT}", index=1))
    picked, again = outcome(server, picker(text=shown.replace("dazzling", "golden"), index=1))
    assert picked == CAT.replace("dazzling", "golden")
    assert again == shown.replace("dazzling", "golden")


def test_replacing_takes_the_place_of_what_is_connected(server, picker):
    picked, shown = outcome(server, picker(f"{DOG}\n{CAT}", text=f"\n  {TREE}  \n\n", mode="replace", index=5))
    assert picked == TREE
    assert DOG not in shown


def test_nothing_to_pick_from(server, picker):
    for graph in (picker(), picker(DOG, mode="replace")):
        message = refusal(server, graph)
        assert message.startswith("DescribePicker") and "descriptions" in message and "text" in message


def test_a_wrong_line_is_named(server, picker):
    message = refusal(server, picker(text=f"{DOG}\na cat in the snow"))
    assert "DescribePicker, input text: line 2" in message and "a cat in the snow" in message


def test_words_outside_the_vocabulary(server, picker):
    spooky = "cat & (foreground) spooky & (background) dim"
    assert "spooky" in refusal(server, picker(text=spooky))
    assert outcome(server, picker(text=spooky, strict=False))[0] == spooky
