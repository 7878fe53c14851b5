import pytest

from diff_harmonization.description.captions import read_caption, read_description


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("house bright,house dark", ["house & (foreground) bright & (background) dark"]),
        ("Lady cold, lady sunset", ["lady & (foreground) cold & (background) sunset"]),
        ("palm tree bright warm, palm tree dusk", ["palm tree & (foreground) bright warm & (background) dusk"]),
        ("dog & (foreground) bright & (background) dull", ["dog & (foreground) bright & (background) dull"]),
        (
            "cat bright, cat winter; cat bright, cat dawn;",
            ["cat & (foreground) bright & (background) winter", "cat & (foreground) bright & (background) dawn"],
        ),
        # Words that both sides share belong to the object, but a word is left to each side.
        ("cat bright, cat bright", ["cat & (foreground) bright & (background) bright"]),
    ],
)
def test_the_authors_form_and_ours(line, expected):
    assert [str(found) for found in read_caption(line)] == expected


@pytest.mark.parametrize(
    "line", ["house", "house bright", "house bright, cat dark", "a b, a c, a d", "house, house dark"]
)
def test_a_line_of_another_form_is_shown_with_an_example(line):
    with pytest.raises(ValueError, match=rf"`caption`: got '{line}', expected .*house bright, house dusk"):
        read_caption(line)


@pytest.mark.parametrize("line", ["", "  ", ";"])
def test_an_empty_line(line):
    with pytest.raises(ValueError, match="`caption`: got an empty line"):
        read_caption(line)


def test_a_name_alone_is_the_objects():
    assert read_description("Palm  tree") == "palm tree"
    assert read_description("dog bright, dog dull") == read_caption("dog bright, dog dull")
    with pytest.raises(ValueError, match="one name in words"):
        read_description("dog 7")
