import logging

import pytest
from comfy_execution.utils import CurrentNodeContext

from diff_harmonization.description.statistics.words import LEVELS, SPELLED_OUT
from diff_harmonization.description.vocabulary import OBJECT_SYNONYMS, OBJECTS, SYNONYMS, WORDS
from diff_harmonization.host.notes import collected
from diff_harmonization.mini import text as mini
from diff_harmonization.mini.text import CONFIG, KNOWN, MiniTokenizer, known_word


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
        ("gloomy", "dull"),
        ("low-light", "dim"),
        ("beach", "sand"),
        ("zeppelin", "object"),
        ("été", "object"),
    ],
)
def test_other_words_are_read_as_the_nearest_known(word, known):
    assert known_word(word) == known


@pytest.mark.parametrize("word", sorted({*SYNONYMS, *OBJECT_SYNONYMS}))
def test_no_word_of_the_tables_is_read_as_any_object(tokenizer, word):
    expected = word if word in KNOWN else OBJECT_SYNONYMS.get(word) or SYNONYMS[word]
    assert expected in KNOWN - {"object"}
    assert ids(tokenizer, word) == ids(tokenizer, expected)


def test_known_prompts_are_clips_own_tokens(tokenizer):
    assert words(tokenizer, "tree bright cold") == [("tree", 1.0), ("bright", 1.0), ("cold", 1.0)]
    assert len(ids(tokenizer, "tree")) == 77


def test_a_word_of_several_axes_is_read_as_the_words_of_each(tokenizer):
    assert words(tokenizer, "tree (sunset:1.25)") == [("tree", 1.0), ("hot", 1.25), ("dim", 1.25)]
    assert ids(tokenizer, "sundown") == ids(tokenizer, "sunset") == ids(tokenizer, "hot dim")
    assert words(tokenizer, "sky daylight windy") == [("sky", 1.0), ("daylight", 1.0), ("windy", 1.0)]
    canonical = {word for levels in LEVELS.values() for _, word in levels}
    assert {word for spelled in SPELLED_OUT.values() for word in spelled.split()} <= canonical
    assert not SPELLED_OUT.keys() & {*OBJECTS, *canonical}


def test_synonyms_share_the_tokens(tokenizer):
    assert ids(tokenizer, "dog sunlit") == ids(tokenizer, "horse sunny")


def test_weights_are_kept(tokenizer):
    assert words(tokenizer, "(dog:1.25) bright") == [("horse", 1.25), ("bright", 1.0)]
    assert words(tokenizer, "tree (zeppelin:0.5)") == [("tree", 1.0), ("object", 0.5)]


def test_a_name_of_several_words_is_read_word_by_word(tokenizer):
    assert words(tokenizer, "palm tree bright") == [("tree", 1.0), ("tree", 1.0), ("bright", 1.0)]
    assert words(tokenizer, "palm-tree") == [("tree", 1.0), ("-", 1.0), ("tree", 1.0)]
    assert words(tokenizer, "coffee cup") == [("object", 1.0), ("object", 1.0)]


@pytest.fixture
def warnings(tokenizer, caplog, monkeypatch):
    """What the log says of a text; nothing was said before."""
    monkeypatch.setattr(mini, "_said", set())

    def warnings(*texts):
        caplog.clear()
        with caplog.at_level(logging.WARNING, logger="diff_harmonization"):
            for text in texts:
                tokenizer.tokenize_with_weights(text)
        assert all(record.levelno == logging.WARNING for record in caplog.records)
        return [record.getMessage() for record in caplog.records]

    return warnings


def test_unknown_words_are_logged_and_known_ones_are_not(warnings):
    assert warnings("Tree bright SUMMER") == []
    assert warnings("Dog moody bright") == [
        "The embedded model has no word of its own for 'dog': it reads 'horse', its word for all animals.",
        "The embedded model has no word of its own for 'moody': it reads 'object', its word for whatever has no near "
        "kind.",
    ]


def test_a_run_logs_a_word_once(warnings):
    horse = "The embedded model has no word of its own for 'cat': it reads 'horse', its word for all animals."
    for run in ("a", "b"):
        for node, expected in (("7", [horse]), ("8", [])):
            with CurrentNodeContext(run, node):
                assert warnings("cat dim", "cat", "Cat bright", "dim") == expected
    with CurrentNodeContext("b", "9"):
        (moody,) = warnings("cat moody")
        assert "'moody'" in moody


def test_every_node_shows_the_words_and_the_log_says_them_once(warnings):
    for node, logged in (("7", 1), ("8", 0)):
        with CurrentNodeContext("of notes", node), collected() as notes:
            assert len(warnings("cat dim", "Cat bright")) == logged
        assert len(notes) == 1 and "'horse', its word for all animals" in notes[0]


def test_outside_of_a_run_the_process_logs_a_word_once(warnings):
    assert len(warnings("cat", "cat", "cat dim")) == 1
    assert warnings("cat") == []
    with CurrentNodeContext("of its own", "7"):
        assert len(warnings("cat", "cat")) == 1
    assert warnings("cat") == []
