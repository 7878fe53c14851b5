import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diff_harmonization.core.types import ImagingDescription
from diff_harmonization.description.parser import QUOTED, make, parse
from diff_harmonization.description.vocabulary import WORDS

DOG = ImagingDescription("dog", ("bright", "summer"), ("winter", "dull", "greyscale"))
TEXT = "dog & (foreground) bright summer & (background) winter dull greyscale"
FRAMES = ["{}", "```\n{}\n```", "```text\n{}\n```", "`{}`", "``` {} ```", " \n{}\n\n"]

# No deadline: the machine that runs this may be busy.
relaxed = settings(deadline=None, derandomize=True, max_examples=300)
thorough = settings(relaxed, max_examples=1000)
names = st.lists(st.text("abcdefghijklmnopqrstuvwxyzäé", min_size=1, max_size=8), min_size=1, max_size=3).flatmap(
    lambda parts: st.sampled_from([" ", "-", "'"]).map(lambda glue: glue.join(parts))
)
words = st.lists(st.sampled_from(WORDS), min_size=1, max_size=6, unique=True).map(tuple)
descriptions = st.builds(ImagingDescription, names, words, words)


@thorough
@given(descriptions)
def test_round_trip(description):
    assert parse(str(description)) == description
    assert str(parse(str(description))) == str(description)


@relaxed
@given(descriptions, st.sampled_from(["  ", "\t", "\n"]), st.sampled_from(FRAMES), st.booleans())
def test_case_spacing_fences_and_a_trailing_dot_are_forgiven(description, space, frame, dotted):
    text = str(description).upper().replace(" ", space) + "." * dotted
    assert str(parse(frame.format(text))) == str(description)


near_misses = st.tuples(descriptions.map(str), st.integers(0, 200), st.text(max_size=3)).map(
    lambda parts: parts[0][: parts[1] % len(parts[0])] + parts[2] + parts[0][parts[1] % len(parts[0]) + 1 :]
)


@thorough
@given(st.text(max_size=60) | near_misses, st.booleans())
def test_any_text_gives_a_description_that_round_trips_or_a_value_error(text, strict):
    try:
        description = parse(text, strict)
    except ValueError as error:
        assert "description" in str(error) or " words " in str(error)
        return
    assert str(parse(str(description), strict)) == str(description)
    assert len(str(description).split("&")) == 3


@thorough
@given(st.text(max_size=60) | near_misses)
def test_nothing_outside_the_form_is_accepted(text):
    """An independent reading of the form: split at the markers, look every word up."""
    try:
        description = parse(text)
    except ValueError:
        return
    bare = text.strip().replace("`", " ").lower().strip().removesuffix(".")
    name, foreground, background = bare.split("&")
    markers = foreground.split()[0], background.split()[0]
    assert (markers[0].startswith("(foreground)"), markers[1].startswith("(background)")) == (True, True)
    for part, found in (
        (foreground[foreground.index(")") + 1 :], description.foreground),
        (background[background.index(")") + 1 :], description.background),
    ):
        assert tuple(dict.fromkeys(part.replace(",", " ").split())) == found
        assert found and set(found) <= set(WORDS)
    assert description.object and all(part.isalpha() for part in re.split("[ '-]", description.object))


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        "dog&(foreground)bright summer&(background)winter dull greyscale",
        "Dog & (Foreground) bright, summer & (Background) winter, dull, greyscale.",
        f"`{TEXT}`",
        f"```{TEXT}```",
        f"```text\n{TEXT}\n```",
        f"```\n{TEXT}.\n```\n",
        f"  {TEXT} . ",
        "dog & (foreground) bright bright summer & (background) winter dull winter greyscale",
    ],
)
def test_accepted_spellings(text):
    assert str(parse(text)) == TEXT


@pytest.mark.parametrize(
    "text",
    [
        "",
        "dog",
        "a dog in the snow",
        "dog & bright & winter",
        "dog & (background) winter & (foreground) bright",
        "(foreground) bright & (background) winter",
        "dog & (foreground) bright & (background) winter & (sky) blue",
        f"{TEXT}\n{TEXT}",
        f"Sure: {TEXT} (I think)",
    ],
)
def test_other_forms_are_refused_with_the_expected_one(text):
    with pytest.raises(ValueError, match=r"has the form 'OBJECT & \(foreground\) WORDS") as error:
        parse(text)
    assert f"got '{' '.join(text.split())}'" in str(error.value)


@pytest.mark.parametrize("text", [f"{TEXT}..", f"```{TEXT}", f"{TEXT} thanks", f"1 {TEXT}", f"¼ {TEXT}", f"**{TEXT}**"])
def test_noise_of_other_kinds_is_refused(text):
    with pytest.raises(ValueError, match="not in the vocabulary|one name in words"):
        parse(text)


@pytest.mark.parametrize("part", ["foreground", "background"])
def test_a_region_without_words_is_refused(part):
    text = TEXT.replace("bright summer" if part == "foreground" else "winter dull greyscale", "")
    with pytest.raises(ValueError, match=f"at least one word for the {part}"):
        parse(text)


def test_unknown_words_are_named_unless_not_strict():
    with pytest.raises(ValueError, match=r"foreground words 'sparkly', 'moody' are not.*brightness: dazzling.*strict"):
        make("dog", "bright sparkly moody", "dull")
    assert make("dog", "bright sparkly", "dull", strict=False).foreground == ("bright", "sparkly")


def test_synonyms_are_mapped_unless_strict():
    text = "lamp & (foreground) Gloomy, dull low-light & (background) fall overcast 1970s"
    assert str(parse(text, strict=False)) == "lamp & (foreground) dull dim & (background) autumn cloudy 1970s"
    with pytest.raises(ValueError, match="'gloomy', 'low-light' are not in the vocabulary"):
        parse(text)


@pytest.mark.parametrize("word", ["b*d", "(dim", "dim)", "a_b", "-", "dim."])
def test_even_free_words_are_words(word):
    with pytest.raises(ValueError, match="are no words"):
        make("dog", word, "dull", strict=False)


def test_an_error_repeats_a_long_text_in_part():
    with pytest.raises(ValueError, match="expected|has the form") as error:
        parse("x" * 5000)
    assert len(str(error.value)) < QUOTED + 200


@pytest.mark.parametrize("name", ["", "   ", "dog2", "dog, cat", "-dog", "dog & cat"])
def test_bad_object_names_are_refused(name):
    with pytest.raises(ValueError, match="object is one name in words"):
        make(name, "bright", "dull")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            f"{'x' * 41} & (foreground) dim & (background) dull",
            "`text`: A description's words have 40 letters at most; got one of 41.",
        ),
        (f"dog & (foreground) {'x' * 999} & (background) dull", "40 letters at most; got one of 999."),
        (
            f"dog & (foreground) dim & (background) {' '.join(f'w{n}' for n in range(21))}",
            "20 words at most for the background; got 21.",
        ),
    ],
)
def test_what_no_box_could_show_is_refused(text, told):
    with pytest.raises(ValueError, match="A description") as error:
        parse(text, strict=False)
    assert told in str(error.value) and len(str(error.value)) < 200


def test_signs_that_steer_a_terminal_or_turn_a_line_are_not_repeated():
    with pytest.raises(ValueError, match="has the form") as error:
        parse("dog\n\x1b[31m \u202eand \ud800 cat")
    assert str(error.value).isprintable() and "got 'dog \ufffd[31m \ufffdand \ufffd cat'" in str(error.value)
