import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diff_harmonization.description.parser import make, parse
from diff_harmonization.description.vocabulary import WORDS
from diff_harmonization.diffusion.types import ImagingDescription

DOG = ImagingDescription("dog", ("bright", "summer"), ("winter", "dull", "greyscale"))
TEXT = "dog & (foreground) bright summer & (background) winter dull greyscale"

# No deadline: the machine that runs this may be busy.
relaxed = settings(deadline=None, derandomize=True)
names = st.lists(st.text("abcdefghijklmnopqrstuvwxyzäé", min_size=1, max_size=8), min_size=1, max_size=3).flatmap(
    lambda parts: st.sampled_from([" ", "-", "'"]).map(lambda glue: glue.join(parts))
)
words = st.lists(st.sampled_from(WORDS), min_size=1, max_size=6, unique=True).map(tuple)
descriptions = st.builds(ImagingDescription, names, words, words)


@relaxed
@given(descriptions)
def test_round_trip(description):
    assert parse(str(description)) == description


@relaxed
@given(descriptions, st.sampled_from(["  ", "\t", "\n"]), st.booleans(), st.booleans())
def test_case_spacing_fences_and_a_trailing_dot_are_forgiven(description, space, fenced, dotted):
    text = str(description).upper().replace(" ", space) + "." * dotted
    assert parse(f"```\n{text}\n```" if fenced else text) == description


@relaxed
@given(st.text(max_size=60))
def test_any_text_gives_a_description_or_a_value_error(text):
    try:
        assert isinstance(parse(text, strict=False), ImagingDescription)
    except ValueError as error:
        assert "description" in str(error)


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        "dog&(foreground)bright summer&(background)winter dull greyscale",
        "Dog & (Foreground) bright, summer & (Background) winter, dull, greyscale.",
        f"`{TEXT}`",
        "dog & (foreground) bright bright summer & (background) winter dull winter greyscale",
    ],
)
def test_accepted_spellings(text):
    assert parse(text) == DOG


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
    ],
)
def test_other_forms_are_refused_with_the_expected_one(text):
    with pytest.raises(ValueError, match=r"has the form 'OBJECT & \(foreground\) WORDS") as error:
        parse(text)
    assert f"got '{text}'" in str(error.value)


@pytest.mark.parametrize("part", ["foreground", "background"])
def test_a_region_without_words_is_refused(part):
    text = TEXT.replace("bright summer" if part == "foreground" else "winter dull greyscale", "")
    with pytest.raises(ValueError, match=f"at least one word for the {part}"):
        parse(text)


def test_unknown_words_are_named_unless_not_strict():
    with pytest.raises(ValueError, match=r"foreground words 'sparkly', 'moody' are not.*brightness: dazzling.*strict"):
        make("dog", "bright sparkly moody", "dull")
    assert make("dog", "bright sparkly", "dull", strict=False).foreground == ("bright", "sparkly")


@pytest.mark.parametrize("name", ["", "   ", "dog2", "dog, cat", "-dog", "dog & cat"])
def test_bad_object_names_are_refused(name):
    with pytest.raises(ValueError, match="object is one name in words"):
        make(name, "bright", "dull")


def test_prompts_put_the_object_first():
    assert DOG.foreground_prompt == "dog bright summer"
    assert DOG.background_prompt == "dog winter dull greyscale"
