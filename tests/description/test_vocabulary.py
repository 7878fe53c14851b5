from diff_harmonization.description.statistics.appearance import COMPOUNDS, LEVELS
from diff_harmonization.description.vocabulary import CATEGORIES, WORDS

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
