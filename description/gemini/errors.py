"""What can go wrong between the user and Gemini. Each error says what to do about it; none contains the API key."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ...core.errors import ServiceError, excerpt
from .api_key import PAGE, ApiKey

if TYPE_CHECKING:
    from google.genai.errors import APIError
    from google.genai.types import GenerateContentResponse

MODELS = "https://ai.google.dev/gemini-api/docs/models"
LIMITS = "https://aistudio.google.com/rate-limit"
OFFLINE = "statistics, a model on this machine and words of your own need no service"
QUOTED = 300  # characters of the service's own words that an error repeats
PATIENCE = 60.0  # seconds; a service that asks for a longer pause is not waited for
WITHHELD = (
    "SAFETY",
    "RECITATION",
    "LANGUAGE",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "IMAGE_SAFETY",
    "ESCALATION",
    "PUP_LIMITED_DISABLED",
)


class GeminiError(ServiceError):
    """No description, and asking again would not help."""


class Unavailable(GeminiError):
    """The service may answer later; `pause` is how many seconds it wants to be left alone."""

    def __init__(self, message: str, pause: float = 0.0) -> None:
        super().__init__(message)
        self.pause = pause


class Malformed(GeminiError):
    """A reply that is no reply to the task; the next one may be."""


class NoStructuredOutput(GeminiError):
    """The model cannot answer in JSON; it may in plain text."""


def reply_text(response: GenerateContentResponse) -> str:
    """The text of a reply without the model's thoughts; raises when it was blocked, withheld or is empty."""
    feedback = response.prompt_feedback
    if feedback and feedback.block_reason:
        raise GeminiError(
            f"Gemini blocked the request ({feedback.block_reason.value}) because of what the picture shows. "
            f"Describe it in another way: {OFFLINE}."
        )
    if not response.candidates:
        raise Malformed("Gemini gave an empty reply, without candidates. Try again, or another model (input model).")
    candidate = response.candidates[0]
    reason = candidate.finish_reason.value if candidate.finish_reason else "no reason given"
    if reason in WITHHELD:
        raise GeminiError(f"Gemini withheld its reply ({reason}). Describe the picture in another way: {OFFLINE}.")
    parts = (candidate.content and candidate.content.parts) or ()
    text = "".join(part.text or "" for part in parts if not part.thought)
    if not text.strip():
        raise Malformed(f"Gemini gave an empty reply ({reason}). Try again, or another model (input model).")
    return text


def explain(error: Exception, model: str, key: ApiKey, timeout: float) -> GeminiError:
    """The GeminiError that says what an exception of the library means to the user."""
    import aiohttp
    from google.genai import errors

    if isinstance(error, TimeoutError | asyncio.TimeoutError):
        return Unavailable(f"Gemini did not answer within {timeout:g} s. Raise input timeout, or try again later.")
    if isinstance(error, errors.APIError):
        return _explain_status(error, model, key)
    if isinstance(error, aiohttp.InvalidURL):
        return GeminiError("The environment variable GOOGLE_GEMINI_BASE_URL is no web address.")
    if isinstance(error, aiohttp.ClientError | OSError):
        cause = _short(getattr(error, "os_error", error), key)
        return Unavailable(
            f"No connection to Gemini ({cause}). Check the network, and GOOGLE_GEMINI_BASE_URL and HTTPS_PROXY if they "
            "are set."
        )
    # A body that is no JSON, or JSON of another kind than the library takes for granted.
    if isinstance(error, ValueError | TypeError | AttributeError | LookupError | RecursionError):
        return Malformed(
            f"Gemini's reply could not be read ({type(error).__name__}). Try again; behind a proxy, check "
            "GOOGLE_GEMINI_BASE_URL."
        )
    return GeminiError(
        f"The request failed ({type(error).__name__}: {_short(error, key)}). Try again later, or: {OFFLINE}."
    )


def _explain_status(error: APIError, model: str, key: ApiKey) -> GeminiError:
    said = f"{error.code} {_short(error.message or error.status or 'without a message', key)}".rstrip(".")
    details = list(_details(error.details))
    if error.code == 401 or any(detail.get("reason") == "API_KEY_INVALID" for detail in details):
        return GeminiError(f"Gemini does not know the API key of {key.source} ({said}). Copy it again from {PAGE}.")
    if error.code == 403:
        return GeminiError(f"Gemini denies access to the API key of {key.source} ({said}). Check it at {PAGE}.")
    if error.code == 404:
        return GeminiError(
            f"Gemini has no model '{model}' ({said}). Models are retired after some time: write the name of a current "
            f"one from {MODELS} into input model."
        )
    if error.code == 429:
        return _explain_limit(said, details)
    if error.code == 408 or error.code >= 500:
        return Unavailable(f"Gemini is not available ({said}). Try again later, or another model (input model).")
    if 300 <= error.code < 400:
        return GeminiError(f"Gemini answered with a redirect ({said}). Set GOOGLE_GEMINI_BASE_URL to its target.")
    if error.status == "FAILED_PRECONDITION":
        return GeminiError(f"Gemini does not serve this account ({said}). Set up billing at {PAGE}, or: {OFFLINE}.")
    plain = "".join(filter(str.isalpha, said.lower()))
    if error.code == 400 and any(name in plain for name in ("jsonmode", "responsemimetype", "schema")):
        return NoStructuredOutput(f"Gemini refused structured output ({said}). Choose another model (input model).")
    return GeminiError(f"Gemini refused the request ({said}). Check input model: it must read pictures and write text.")


def _explain_limit(said: str, details: list[dict[str, Any]]) -> GeminiError:
    """A 429: worth a pause unless the quota is the day's or the pause is long."""
    advice = f"See {LIMITS}, or use another model (input model)."
    daily = any("PerDay" in str(detail.get("violations")) for detail in details)
    pause = max((_seconds(detail.get("retryDelay")) for detail in details), default=0.0)
    if daily:
        return GeminiError(f"This API key's quota for the day is used up ({said}). {advice}")
    if pause > PATIENCE:
        return GeminiError(f"This API key's quota is used up for another {pause:.0f} s ({said}). {advice}")
    return Unavailable(f"This API key has reached a limit of Gemini ({said}). {advice}", pause)


def _details(body: Any) -> Iterator[dict[str, Any]]:
    """The entries of an error's `details`, as google.rpc.Status has them, in whatever the service sent."""
    inner = body.get("error", body) if isinstance(body, dict) else {}
    entries = inner.get("details") if isinstance(inner, dict) else None
    yield from (entry for entry in (entries if isinstance(entries, list) else []) if isinstance(entry, dict))


def _seconds(duration: Any) -> float:
    """Seconds of a JSON duration such as "34.5s"; 0 for anything else."""
    try:
        return float(str(duration).removesuffix("s"))
    except ValueError:
        return 0.0


def _short(words: object, key: ApiKey) -> str:
    return excerpt(key.redact(str(words)), QUOTED)  # redacted first: a cut could leave half a key
