import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diff_harmonization.core.types import ImagingDescription
from diff_harmonization.description.parser import EXAMPLE, FORM
from diff_harmonization.description.prompt import read_reply, reply_schema, task_prompt
from diff_harmonization.description.vocabulary import CATEGORIES, WORDS

relaxed = settings(deadline=None, derandomize=True, max_examples=300)
names = st.lists(st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=8), min_size=1, max_size=3).map(" ".join)
words = st.lists(st.sampled_from(WORDS), min_size=1, max_size=4, unique=True).map(tuple)
replies = st.lists(st.builds(ImagingDescription, names, words, words), min_size=1, max_size=5).map(tuple)
TWO = (ImagingDescription("dog", ("bright",), ("dull",)), ImagingDescription("palm tree", ("dim",), ("hot", "night")))


def as_json(descriptions):
    return [{"object": d.object, "foreground": d.foreground, "background": d.background} for d in descriptions]


@relaxed
@given(replies, st.sampled_from(["{}", "```\n{}\n```", "```json\n{}\n```", "\n\n {} \n"]))
def test_both_forms_of_a_reply_round_trip(descriptions, frame):
    lines = list(map(str, descriptions))
    for reply in ("\n".join(lines), json.dumps(as_json(descriptions), indent=1)):
        assert list(map(str, read_reply(frame.format(reply)))) == lines


@relaxed
@given(
    st.text(max_size=80)
    | st.from_regex(r"[\[{][^a]{0,40}")
    | replies.map(as_json).map(json.dumps).map(lambda t: t[:-2])
)
def test_any_reply_gives_descriptions_or_a_value_error(text):
    try:
        assert all(isinstance(description, ImagingDescription) for description in read_reply(text, strict=False))
    except ValueError as error:
        assert "description" in str(error)


@relaxed
@given(replies, st.integers(0, 400), st.sampled_from("&()[]{}x1\n "))
def test_nothing_but_the_vocabulary_is_accepted(descriptions, place, noise):
    text = "\n".join(map(str, descriptions))
    try:
        found = read_reply(text[: place % len(text)] + noise + text[place % len(text) :])
    except ValueError:
        return
    assert all(word in WORDS for d in found for word in (*d.foreground, *d.background))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Sure!\ndog & (foreground) bright & (background) dull",
        "dog & (foreground) bright & (background) dull\nI hope this helps.",
        "1. dog & (foreground) bright & (background) dull",
        '{"object": "dog"}',
        '{"object": 3, "foreground": ["dim"], "background": ["dull"]}',
        '{"object": "dog", "foreground": [["dim"]], "background": ["dull"]}',
        '{"object": "dog", "foreground": null, "background": ["dull"]}',
        '["dog"]',
        "[[]]",
        '[{"object": "dog", "foreground": ["dim"], "background": ["dull"]',
        "[" * 100_000,
    ],
)
def test_a_reply_with_anything_else_is_refused_whole(text):
    with pytest.raises(ValueError, match="description|reply in JSON"):
        read_reply(text)


def test_a_region_in_json_may_be_one_string():
    text = '{"object": "Dog", "foreground": "bright, summer", "background": ["winter", "dull"]}'
    assert [str(found) for found in read_reply(text)] == ["dog & (foreground) bright summer & (background) winter dull"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("St. Bernard", "st bernard"),
        ("R2-D2", "r d"),
        ("Boeing 747", "boeing"),
        ("7-up (can)", "up can"),
        ("jack-o'-lantern", "jack-o lantern"),
        ("Café_Crème²", "café crème"),
        ("children's T-shirt", "children's t-shirt"),
    ],
)
def test_signs_in_an_objects_name_are_dropped_from_json_alone(name, expected):
    reply = json.dumps([{"object": name, "foreground": ["dim"], "background": ["dull"]}])
    assert read_reply(reply) == (ImagingDescription(expected, ("dim",), ("dull",)),)
    if expected != name.lower():
        with pytest.raises(ValueError, match="one name in words|has the form"):
            read_reply(f"{name} & (foreground) dim & (background) dull")


def test_an_objects_name_in_json_needs_a_letter():
    with pytest.raises(ValueError, match="one name in words"):
        read_reply('{"object": "2+2", "foreground": ["dim"], "background": ["dull"]}')


@pytest.mark.parametrize("structured", [True, False])
def test_the_prompt_says_how_an_object_may_be_named(structured):
    assert "letters, spaces and hyphens only" in task_prompt(2, structured=structured)


def test_the_prompt_states_task_vocabulary_and_form():
    prompt = task_prompt(2)
    assert all(f"{category}: {', '.join(known)}" in prompt for category, known in CATEGORIES.items())
    assert FORM in prompt and str(EXAMPLE) in prompt and "exactly 2 lines" in prompt
    assert "exactly 1 line," in task_prompt()
    assert "tried already" not in prompt


def test_the_structured_prompt_leaves_the_form_to_the_schema():
    prompt = task_prompt(3, TWO, structured=True)
    assert FORM not in prompt and "exactly 3 descriptions" in prompt
    assert all(str(description) in prompt for description in TWO)


def test_the_schema_allows_the_vocabulary_alone():
    schema = reply_schema(2)
    region = schema["items"]["properties"]["foreground"]
    assert (schema["minItems"], schema["maxItems"]) == (2, 2)
    assert region["items"]["enum"] == list(WORDS)
    assert "enum" not in json.dumps(reply_schema(2, strict=False))


def test_the_example_of_the_prompt_is_a_valid_reply():
    assert read_reply(str(EXAMPLE)) == (EXAMPLE,)
