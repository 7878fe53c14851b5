"""Gemini from within the host: the key's place, the user's cancelling and the number of requests in one run."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import folder_paths
from comfy.model_management import throw_exception_if_processing_interrupted

from ...description.gemini.api_key import find_key
from ...description.gemini.errors import GeminiError
from ...description.gemini.provider import Answer, Question, Session, describe, recall
from ..runs import Run, current_run

KEY_FILE = "gemini_api_key.txt"


def ask_gemini(question: Question, number: int, timeout: float, max_calls: int) -> tuple[Answer, int]:
    """Ask Gemini, or give an answer that is known already.

    Args:
        question: what is asked.
        number: which answer to this question, from 0.
        timeout: seconds for each request.
        max_calls: how many requests all nodes of one run may send together.

    Returns:
        The answer, and how many requests this run has sent by now.

    Raises:
        ValueError: when there is no API key.
        GeminiError: with what to do about it.
    """
    run = current_run() or Run("")  # outside of a run, each question is one
    answer = recall(question, number)  # paid for already: needs no key
    if answer is None:
        key = find_key(os.environ, key_file())
        session = Session(
            key=key,
            timeout=timeout,
            spend=_spender(run, max_calls),
            check=throw_exception_if_processing_interrupted,
        )
        answer = describe(question, number, session)
    return answer, run.requests


def key_file() -> Path:
    """The file for the key, in the host's system user folder, which the host does not serve."""
    return Path(folder_paths.get_system_user_directory("diff_harmonization"), KEY_FILE)


def _spender(run: Run, max_calls: int) -> Callable[[], None]:
    def spend() -> None:
        if run.requests >= max_calls:
            raise GeminiError(
                f"This run has sent {run.requests} request{'s' * (run.requests != 1)} to Gemini, as many as input "
                "max_calls allows. Raise it for more."
            )
        run.requests += 1

    return spend
