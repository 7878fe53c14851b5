"""Whatever the scores and the tokenizer, a reply is a description."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from diff_harmonization.description.local.reply import CATEGORY_OF, MAX_WORDS, ConstrainedReply, one_line
from diff_harmonization.description.parser import parse

SIZE = 300  # of the vocabulary of tokens
END = 7


def letters(text):
    """One token a character."""
    return [ord(character) % 128 + 10 for character in text]


def words(text):
    """One token a word and one a mark, numbered as they appear."""
    known = words.__dict__.setdefault("known", {})
    return [known.setdefault(word, 10 + len(known)) for word in text.replace("(", " ( ").replace(")", " ) ").split()]


def glued(text):
    """A token of its own before every text, as some tokenizers have."""
    return [9, *letters(text)]


def reply(grammar, scores, tokenize=letters, ends=(END,), **options):
    """The result, and the tokens said on the way; scores: an endless iterator of [SIZE]."""
    processor = ConstrainedReply(grammar, tokenize, ends, **options)
    said = []
    while processor.result is None:
        assert len(said) < processor.longest
        chosen = processor(torch.tensor([said], dtype=torch.long), next(scores)[None])
        assert chosen.isfinite().sum() == 1
        said.append(int(chosen.argmax()))
    return processor.result, said


def noise(seed):
    generator = torch.Generator().manual_seed(seed)
    while True:
        yield torch.randn(SIZE, generator=generator)


def wishing(text, tokenize=letters, end=END):
    """Scores of a model that has one reply in mind."""
    for token in [*tokenize(text), end]:
        yield torch.zeros(SIZE).index_fill(0, torch.tensor([token]), 1.0)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**31), st.sampled_from([letters, words, glued]), st.sampled_from(["dog", "palm tree", "object"]))
def test_any_scores_give_a_description_that_parses(seed, tokenize, name):
    result, said = reply(one_line(name), noise(seed), tokenize)
    assert str(parse(str(result))) == str(result)
    assert result.object == name
    assert said[-1] == END
    for region in (result.foreground, result.background):
        assert 1 <= len(region) <= MAX_WORDS
        assert len({CATEGORY_OF[word] for word in region}) == len(region)


@pytest.mark.parametrize("value", [float("nan"), -float("inf"), float("inf"), 0.0])
def test_broken_scores_give_a_description_too(value):
    def broken():
        while True:
            yield torch.full((SIZE,), value)

    result, _ = reply(one_line("dog"), broken())
    assert str(parse(str(result))) == str(result)


@pytest.mark.parametrize(
    "text",
    [
        "dog & (foreground) bright summer & (background) winter dull greyscale",
        "dog & (foreground) dim & (background) dazzling",
    ],
)
def test_a_model_that_knows_what_to_say_says_it(text):
    result, said = reply(one_line("dog"), wishing(text))
    assert str(result) == text
    assert said == [*letters(text), END]


def test_the_tokens_are_those_of_the_text():
    result, said = reply(one_line("dog"), noise(3), glued)
    assert said == [*glued(str(result)), END]


def test_settled_words_are_kept_and_taken_ones_avoided():
    for seed in range(8):
        result, _ = reply(one_line("dog", ("warm", "dim"), {"winter", "dull", "cold"}), noise(seed))
        assert result.foreground == ("warm", "dim")
        assert result.background[0] not in {"winter", "dull", "cold"}


def test_any_of_several_ends_ends_it():
    text = "dog & (foreground) warm & (background) cold"
    result, said = reply(one_line("dog"), wishing(text, end=8), ends=(END, 8))
    assert str(result) == text
    assert said[-1] == 8


def test_after_its_end_a_reply_only_ends():
    processor = ConstrainedReply(one_line("dog"), letters, (END, 8))
    scores = noise(0)
    while processor.result is None:
        processor(torch.zeros(1, 0, dtype=torch.long), next(scores)[None])
    result = processor.result
    assert int(processor(torch.zeros(1, 0, dtype=torch.long), next(scores)[None]).argmax()) == END
    assert processor.result is result


def test_the_callback_hears_every_token_and_may_cancel():
    heard = []
    _, said = reply(one_line("dog"), noise(1), callback=lambda step, total: heard.append((step, total)))
    assert [step for step, _ in heard] == list(range(1, len(said) + 1))
    assert heard[-1][0] <= heard[-1][1]

    def cancel(step, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reply(one_line("dog"), noise(1), callback=cancel)
