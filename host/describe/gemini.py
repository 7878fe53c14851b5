"""Gemini from within the host: the key's place, the user's cancelling and the number of requests in one run."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import folder_paths
from comfy.model_management import throw_exception_if_processing_interrupted
from comfy_execution.utils import get_executing_context

from ...description.gemini.api_key import find_key
from ...description.gemini.errors import GeminiError
from ...description.gemini.provider import Answer, Question, Session, describe, recall

KEY_FILE = "gemini_api_key.txt"

_run: str | None = None  # the run that the count is of
_sent = 0


def ask_gemini(question: Question, number: int, timeout: float, max_calls: int) -> tuple[Answer, int]:
    """The answer to a question, and how many requests this run has sent by now.

    Args:
        question: what is asked.
        number: which ask of this question it is, from 0.
        timeout: seconds a request.
        max_calls: how many requests all nodes of one run may send together.
    """
    _begin_run()
    answer = recall(question, number)  # paid for already: needs no key
    if answer is None:
        key = find_key(os.environ, key_file())
        session = Session(key, timeout, _spender(max_calls), throw_exception_if_processing_interrupted)
        answer = describe(question, number, session)
    return answer, _sent


def key_file() -> Path | None:
    """The file for the key in the host's system user folder, which it does not serve; None where there is no such."""
    folder = getattr(folder_paths, "get_system_user_directory", None)
    return Path(folder("diff_harmonization"), KEY_FILE) if folder else None


def _begin_run() -> None:
    """Count from zero in a new run of the workflow; the host runs one at a time."""
    global _run, _sent
    context = get_executing_context()
    if context is None or context.prompt_id != _run:
        _run, _sent = context.prompt_id if context else None, 0


def _spender(max_calls: int) -> Callable[[], None]:
    def spend() -> None:
        global _sent
        if _sent >= max_calls:
            raise GeminiError(
                f"This run has sent {_sent} requests to Gemini, as many as input max_calls allows. Raise it for more."
            )
        _sent += 1

    return spend
