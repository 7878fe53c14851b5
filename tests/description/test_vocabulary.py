import pytest

from diff_harmonization.description import vocabulary
from diff_harmonization.description.statistics.words import COMPOUNDS, LEVELS
from diff_harmonization.description.vocabulary import (
    CATEGORIES,
    OBJECT_SYNONYMS,
    OBJECTS,
    SYNONYMS,
    WORDS,
    known_object,
)

CANONICAL = [word for levels in LEVELS.values() for _, word in levels]


def test_the_categories_of_the_paper():
    assert list(CATEGORIES) == [
        "brightness",
        "weather",
        "temperature",
        "season",
        "time",
        "color tone",
        "environment",
    ]
    assert len(WORDS) == 54


def test_no_word_stands_twice():
    assert len(set(WORDS)) == len(WORDS)


def test_every_word_has_a_look_and_every_look_a_word():
    assert sorted([*CANONICAL, *COMPOUNDS]) == sorted(WORDS)


def test_words_are_single_and_lower_case():
    assert all(word.isalpha() and word.islower() for word in WORDS)


@pytest.mark.parametrize(("synonyms", "words"), [(SYNONYMS, WORDS), (OBJECT_SYNONYMS, OBJECTS)])
def test_synonyms_lead_to_known_words_at_once(synonyms, words):
    assert set(synonyms.values()) <= set(words)
    assert not set(synonyms) & set(words)
    assert all(synonym == synonym.lower() and " " not in synonym for synonym in synonyms)


@pytest.mark.parametrize("entries", [vocabulary._CONDITIONS, vocabulary._NAMES])
def test_no_synonym_stands_in_two_entries(entries):
    listed = " ".join(entries.values()).split()
    assert sorted(set(listed)) == sorted(listed)


def test_what_is_both_an_object_and_a_condition():
    """Each of these has one meaning as an object and one as a condition; nobody adds to them by accident."""
    objects = OBJECT_SYNONYMS | {name: name for name in OBJECTS}
    conditions = SYNONYMS | {word: word for word in WORDS}
    assert {name: (objects[name], conditions[name]) for name in objects.keys() & conditions.keys()} == {
        "beach": ("sand", "ocean"),
        "dunes": ("sand", "desert"),
        "field": ("field", "grassland"),
        "hills": ("mountain", "mountain"),
        "meadow": ("field", "grassland"),
        "mountain": ("mountain", "mountain"),
        "mountains": ("mountain", "mountain"),
        "pond": ("water", "lake"),
        "road": ("road", "street"),
        "sea": ("water", "ocean"),
        "skies": ("sky", "sky"),
        "sky": ("sky", "sky"),
        "snow": ("snow", "snowy"),
    }


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("tree", "tree"),
        ("Kitten", "horse"),
        ("palm tree", "tree"),
        ("tree trunk", "tree"),
        ("police car", "car"),
        ("sky-blue van", "car"),
        ("cup of tea", "object"),
        ("zeppelin", "object"),
        ("", "object"),
    ],
)
def test_a_name_is_of_a_known_kind(name, kind):
    assert known_object(name) == kind
