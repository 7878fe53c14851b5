"""The Gemini provider: a vision-language model of Google's describes the picture (paper eq. 1).

One request asks for K different descriptions. Requests cost money and send two pictures away. So the caller counts each
request, none is repeated silently, and a complete answer is kept until the process ends.
"""

from __future__ import annotations

import logging
import os
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache, partial
from hashlib import sha256
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from ...core.errors import InputError
from ...core.types import ImagingDescription
from ..pictures import Pictures
from ..prompt import read_reply, reply_schema, task_prompt
from .api_key import ApiKey
from .errors import GeminiError, Malformed, NoStructuredOutput, Unavailable, explain, reply_text
from .waiting import await_in_thread, sleep

if TYPE_CHECKING:
    from google.genai import Client
    from google.genai.types import GenerateContentConfig, GenerateContentResponse

logger = logging.getLogger(__name__)

MODEL = "gemini-3.8-flash"
ATTEMPTS = 4  # requests for one answer, the first included
BACKOFF = wait_exponential_jitter(initial=1, max=30)  # seconds
KEPT = 64  # questions whose answers are remembered
LONGEST = 20_000  # characters of a reply; ten descriptions have about a thousand
REMINDED = 24  # earlier descriptions that a new request is asked not to repeat

Answer = tuple[ImagingDescription, ...]
_answers: dict[str, dict[int, Answer]] = {}  # question -> number of the ask -> answer


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked; equal questions have equal answers."""

    pictures: Pictures
    model: str = MODEL
    count: int = 3  # K, how many descriptions
    strict: bool = True  # only words of the vocabulary

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\w[\w.-]*(/\w[\w.-]*)*", self.model) or ".." in self.model:
            raise InputError("model", f"'{self.model}' is no model name, such as '{MODEL}'.")

    @property
    def fingerprint(self) -> str:
        rest = repr((self.model, self.count, self.strict)).encode()
        parts = (self.pictures.composite, self.pictures.mask, rest)
        return sha256(b"".join(sha256(part).digest() for part in parts)).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Session:
    """How Gemini is reached, and who is asked before a request and while it lasts."""

    key: ApiKey
    timeout: float = 60.0  # seconds for each request
    spend: Callable[[], None] = field(default=lambda: None)  # called before each request; raises GeminiError to refuse
    check: Callable[[], None] = field(default=lambda: None)  # called ten times a second; raises to cancel


def describe(question: Question, number: int, session: Session) -> Answer:
    """K different descriptions of a composite, the most fitting first.

    Args:
        question: what is asked.
        number: which answer to this question, from 0. A new number gives descriptions that no other number gave. A
            number whose answer is complete gives it again, without a request.
        session: how to ask.

    Returns:
        `question.count` descriptions. When the model has no more to offer, fewer or earlier ones, with a warning.

    Raises:
        GeminiError: with what to do about it. Everything that `session.check` raises comes through, too.
    """
    if (known := recall(question, number)) is not None:
        return known
    earlier = _answers.get(question.fingerprint, {})
    taken = [description for answer in earlier.values() for description in answer]
    answer, complete = _Asking(question, taken, session).answer()
    if complete:
        _remember(question.fingerprint, number, answer)
    return answer


def recall(question: Question, number: int) -> Answer | None:
    """The remembered answer; None when there is none, and `describe` would send requests."""
    return _answers.get(question.fingerprint, {}).get(number)


def _remember(fingerprint: str, number: int, answer: Answer) -> None:
    _answers.setdefault(fingerprint, {})[number] = answer
    while len(_answers) > KEPT:
        del _answers[next(iter(_answers))]


class _Asking:
    """One question on its way to its answer: several requests, until there are enough different descriptions."""

    def __init__(self, question: Question, taken: list[ImagingDescription], session: Session) -> None:
        self.question, self.taken, self.session = question, taken, session
        self.structured = True
        self.sent = 0  # requests
        self.read = 0  # well-formed replies
        self.trouble: GeminiError | None = None  # of the latest request
        self.found: list[ImagingDescription] = []
        self.repeated: list[ImagingDescription] = []

    def answer(self) -> tuple[Answer, bool]:
        """The descriptions, and whether they are all there are: not when an error kept the model from giving more."""
        retrying = Retrying(
            retry=retry_if_exception_type((Unavailable, Malformed, NoStructuredOutput)),
            stop=stop_after_attempt(ATTEMPTS),
            wait=_pause,
            sleep=partial(sleep, check=self.session.check),
            before_sleep=_log_retry,
            reraise=True,
        )
        try:
            retrying(self.request)
        except GeminiError as error:
            answer = self.found or self.repeated[: self.question.count]  # what was paid for is used
            if not answer:
                raise GeminiError(f"{error}{f' Asked {self.sent} times.' if self.sent > 1 else ''}") from None
            logger.warning("Gemini: %s Going on with: %s", error, "; ".join(map(str, answer)))
            # Every request brought a reply, but for the one that showed that there is no structured output.
            return tuple(answer), self.read + (not self.structured) == retrying.statistics["attempt_number"]
        return tuple(self.found), True

    def request(self) -> None:
        """One request, and its descriptions among those found."""
        wanted = self.question.count - len(self.found)
        known = [*self.taken, *self.found]
        prompt = task_prompt(wanted, known[-REMINDED:], self.structured)
        schema = reply_schema(wanted, self.question.strict) if self.structured else None
        _require_safe_address()
        try:
            self.session.spend()
        except GeminiError as error:
            raise GeminiError(f"{self.trouble} {error}" if self.trouble else str(error)) from None
        self.sent += 1
        logger.info("Gemini: sending the composite and its mask to %s at %s.", self.question.model, _host())
        try:
            work = _generate(self.question, prompt, schema, self.session)
            response = await_in_thread(work, self.session.check, self.session.timeout)
            self.keep(reply_text(response))
        except TimeoutError as error:
            self.trouble = explain(error, self.question.model, self.session.key, self.session.timeout)
            raise self.trouble from None
        except GeminiError as error:
            self.structured &= not isinstance(error, NoStructuredOutput)
            self.trouble = error
            raise

    def keep(self, reply: str) -> None:
        """Take the descriptions of a reply that are new; raises Malformed unless there are enough now."""
        if len(reply) > LONGEST:
            raise GeminiError(
                f"Gemini's reply has {len(reply)} characters where a few lines were asked for. Use another model "
                f"(input model)."
            )
        try:
            descriptions = read_reply(self.session.key.redact(reply), self.question.strict)
        except ValueError as error:
            raise Malformed(f"Gemini's reply is not in the form that was asked for. {error}") from None
        self.read += 1
        before = len(self.found)
        for description in descriptions:
            if description not in self.found:
                (self.repeated if description in self.taken else self.found).append(description)
        del self.found[self.question.count :]
        if len(self.found) < self.question.count:
            few = "Gemini gave fewer new descriptions than were asked for. Lower input count."
            # Where a reply brings nothing new, another one would cost as much and bring as little.
            raise Malformed(few) if len(self.found) > before else GeminiError(few)


async def _generate(
    question: Question, prompt: str, schema: dict[str, Any] | None, session: Session
) -> GenerateContentResponse:
    """One request. Whatever the library raises is explained, since its own words can hold the key."""
    try:
        client, contents, config = _prepare(question, prompt, schema, session)
    except (ImportError, AttributeError, ValueError) as error:
        raise GeminiError(
            f"The package google-genai is missing or does not fit ({type(error).__name__}). Install this pack's "
            "requirements.txt with ComfyUI's Python and restart."
        ) from None
    try:
        with client:
            async with client.aio as api:
                return await api.models.generate_content(model=question.model, contents=contents, config=config)
    except Exception as error:
        raise explain(error, question.model, session.key, session.timeout) from None


def _prepare(
    question: Question, prompt: str, schema: dict[str, Any] | None, session: Session
) -> tuple[Client, Any, GenerateContentConfig]:
    """The library's client, contents and settings of one request."""
    from google import genai
    from google.genai import types

    certificates = _certificates()
    options = types.HttpOptions(
        timeout=round(1000 * session.timeout),
        # One attempt: retries are counted and can be cancelled here. A redirect would carry the key elsewhere.
        retry_options=types.HttpRetryOptions(attempts=1),
        async_client_args={"allow_redirects": False, "ssl": certificates, "verify": certificates},
        # The names that follow the newest model exist in the beta version of the API alone.
        api_version="v1beta" if question.model.endswith("-latest") else None,
    )
    config = types.GenerateContentConfig(
        response_mime_type="application/json" if schema else None,
        response_json_schema=schema,
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        automatic_continuation=False,
    )
    contents = [
        prompt,
        types.Part.from_bytes(data=question.pictures.composite, mime_type="image/jpeg"),
        types.Part.from_bytes(data=question.pictures.mask, mime_type="image/png"),
    ]
    client = genai.Client(vertexai=False, api_key=session.key.secret.get_secret_value(), http_options=options)
    return client, contents, config


@lru_cache(maxsize=1)
def _certificates() -> ssl.SSLContext:
    """Whom to trust, by the library's own rule. Left to it, the list would be read three times for each request."""
    import certifi

    file, folder = os.environ.get("SSL_CERT_FILE", certifi.where()), os.environ.get("SSL_CERT_DIR")
    return ssl.create_default_context(cafile=file, capath=folder)


def _host() -> str:
    url = os.environ.get("GOOGLE_GEMINI_BASE_URL")
    return (url and urlsplit(url).hostname) or "generativelanguage.googleapis.com"


def _require_safe_address() -> None:
    """Refuse an address at which the key and the pictures would travel in clear to another machine."""
    address = urlsplit(os.environ.get("GOOGLE_GEMINI_BASE_URL", ""))
    host = address.hostname or ""
    if address.scheme.lower() == "http" and not _is_this_machine(host):
        raise GeminiError(
            f"The environment variable GOOGLE_GEMINI_BASE_URL names {host} over http: your API key and your picture "
            "would travel unencrypted. Use https, or an address of this machine."
        )


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _pause(state: RetryCallState) -> float:
    """Seconds until the next request: more and more, and as many as the service wants."""
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, NoStructuredOutput):  # the service is well, and the next request is another one
        return 0.0
    return max(BACKOFF(state), error.pause if isinstance(error, Unavailable) else 0.0)


def _log_retry(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    message = "Gemini: %s Asking again in %.0f s (%d of %d)."
    logger.warning(message, error, state.upcoming_sleep, state.attempt_number + 1, ATTEMPTS)
