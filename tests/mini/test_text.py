import logging

import pytest

from diff_harmonization.description.vocabulary import WORDS
from diff_harmonization.mini.text import CONFIG, KNOWN, OBJECTS, SYNONYMS, WORDS_FOR, MiniTokenizer, known_word


@pytest.fixture(scope="module")
def tokenizer():
    return MiniTokenizer()


def ids(tokenizer, text: str) -> list[int]:
    return [token for token, _ in tokenizer.tokenize_with_weights(text)["h"][0]]


def words(tokenizer, text: str) -> list[tuple[str, float]]:
    """(text, weight) of the tokens between start and end."""
    (chunk,) = tokenizer.tokenize_with_weights(text)["h"]
    end = [token for token, _ in chunk].index(CONFIG["eos_token_id"])
    return [(text.removesuffix("</w>"), weight) for (_, weight), text in tokenizer.untokenize(chunk[1:end])]


@pytest.mark.parametrize("word", [*OBJECTS, *WORDS])
def test_known_words_stay(word):
    assert known_word(word) == word
    assert known_word(word.upper()) == word


@pytest.mark.parametrize(
    ("word", "known"),
    [
        ("dog", "horse"),
        ("Woman", "person"),
        ("taxi", "car"),
        ("grey", "greyscale"),
        ("fall", "autumn"),
        ("zeppelin", "object"),
        ("été", "object"),
    ],
)
def test_other_words_are_read_as_the_nearest_known(word, known):
    assert known_word(word) == known


def test_synonyms_lead_to_known_words_once():
    listed = [synonym for synonyms in SYNONYMS.values() for synonym in synonyms.split()]
    assert set(SYNONYMS) <= KNOWN
    assert len(listed) == len(set(listed)) == len(WORDS_FOR)
    assert not set(listed) & KNOWN


def test_known_prompts_are_clips_own_tokens(tokenizer):
    assert words(tokenizer, "tree bright summer") == [("tree", 1.0), ("bright", 1.0), ("summer", 1.0)]
    assert len(ids(tokenizer, "tree")) == 77


def test_synonyms_share_the_tokens(tokenizer):
    assert ids(tokenizer, "dog sunlit") == ids(tokenizer, "horse sunny")


def test_weights_are_kept(tokenizer):
    assert words(tokenizer, "(dog:1.25) bright") == [("horse", 1.25), ("bright", 1.0)]
    assert words(tokenizer, "tree (zeppelin:0.5)") == [("tree", 1.0), ("object", 0.5)]


def test_unknown_words_are_logged_and_known_ones_are_not(tokenizer, caplog):
    with caplog.at_level(logging.WARNING, logger="diff_harmonization"):
        tokenizer.tokenize_with_weights("Tree bright SUMMER")
        assert not caplog.records
        tokenizer.tokenize_with_weights("Dog moody bright")
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == (
        "The embedded model does not know 'Dog' (read as 'horse'), 'moody' (read as 'object')."
    )
