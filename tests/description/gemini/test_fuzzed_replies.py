"""A thousand replies of a service that is unwell: each is a description, or one sentence that says what to do."""

import logging
import re
import traceback
from collections import Counter

from fuzzed_replies import KINDS, fuzzed

from diff_harmonization.core.types import ImagingDescription
from diff_harmonization.description.gemini import provider as gemini
from diff_harmonization.description.gemini.errors import GeminiError
from diff_harmonization.description.vocabulary import WORDS

REPLIES = 1000
LONGEST = 1500  # characters of an error; the vocabulary alone has 600
WELL_KNOWN = {"good", "fenced", "packed"}  # of these some must come through


def require_description(description, strict):
    assert isinstance(description, ImagingDescription)
    assert description.foreground and description.background
    assert len(str(description)) < 600 and str(description).isprintable()
    str(description).encode()
    if strict:
        assert {*description.foreground, *description.background} <= set(WORDS)


def require_sentence(error):
    message = str(error)
    assert re.match(r"[A-Z].*\w", message) and len(message) < LONGEST
    assert message.isprintable(), message
    assert message.endswith("."), message
    assert "did not answer within" not in message
    printed = "".join(traceback.format_exception(error))
    assert "During handling" not in printed and "direct cause" not in printed
    return printed


def fate(ask, number, strict):
    """What became of a reply: what a host would print of it, and whether it is an answer."""
    count = number % 4 + 1
    try:
        answer = ask(number, count=count, strict=strict)
    except GeminiError as error:
        return require_sentence(error), False
    assert 1 <= len(answer) <= count
    for description in answer:
        require_description(description, strict)
    return "; ".join(map(str, answer)), True


def test_each_of_a_thousand_replies_is_a_description_or_a_sentence(endpoint, ask, caplog, monkeypatch):
    monkeypatch.setattr(gemini, "ATTEMPTS", 1)
    caplog.set_level(logging.DEBUG)
    fates, wrong = Counter(), []
    for number in range(REPLIES):
        kind = list(KINDS)[number % len(KINDS)]
        endpoint.script(fuzzed(number, endpoint.key))
        try:
            printed, answered = fate(ask, number, strict=number % 3 > 0)
            assert endpoint.key.lower() not in (printed + caplog.text).lower()
            assert len(endpoint.requests) == 1
            fates[kind, answered] += 1
        except Exception as error:
            wrong.append(f"reply {number} ({kind}): {type(error).__name__}: {str(error)[:300]}")
        caplog.clear()
    assert not wrong, "\n".join(wrong)
    assert all(fates[kind, False] for kind in KINDS if kind != "good")
    assert fates["good", True] == REPLIES // len(KINDS) and all(fates[kind, True] for kind in ("fenced", "packed"))
