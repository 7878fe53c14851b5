import pytest

from diff_harmonization.core.types import ImagingDescription

DOG = ImagingDescription("dog", ("bright", "summer"), ("winter", "dull", "greyscale"))


@pytest.mark.parametrize(
    "same",
    [
        ImagingDescription("dog", ("summer", "bright"), ("winter", "dull", "greyscale")),
        ImagingDescription("dog", ("bright", "summer"), ("greyscale", "winter", "dull")),
        ImagingDescription("dog", ("bright", "summer", "bright"), ("winter", "dull", "dull", "greyscale")),
    ],
)
def test_order_and_repetition_of_words_do_not_count(same):
    assert same == DOG
    assert hash(same) == hash(DOG)
    assert len({same, DOG}) == 1
    assert str(same) != str(DOG)


def test_words_that_are_the_same_in_both_regions_ask_for_nothing():
    assert ImagingDescription("dog", ("dim", "cold"), ("cold", "dim", "dim")).settled
    assert not DOG.settled


@pytest.mark.parametrize(
    "other",
    [
        ImagingDescription("cat", DOG.foreground, DOG.background),
        ImagingDescription("dog", DOG.background, DOG.foreground),
        ImagingDescription("dog", ("bright",), DOG.background),
        ImagingDescription("dog", DOG.foreground, (*DOG.background, "sunny")),
        str(DOG),
        ("dog", DOG.foreground, DOG.background),
        None,
    ],
)
def test_what_says_something_else_is_another(other):
    assert other != DOG
    assert other not in {DOG}


def test_the_text_keeps_the_order():
    assert str(DOG) == "dog & (foreground) bright summer & (background) winter dull greyscale"


def test_prompts_put_the_object_first_and_keep_the_order():
    assert DOG.foreground_prompt == "dog bright summer"
    assert DOG.background_prompt == "dog winter dull greyscale"
