"""Whatever a service, or what stands in its place, sends as an error: it is explained, never a crash."""

import asyncio

import aiohttp
import pytest
from google.genai.errors import APIError
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from diff_harmonization.description.gemini.api_key import ApiKey
from diff_harmonization.description.gemini.errors import GeminiError, Malformed, Unavailable, explain

KEY = ApiKey(SecretStr("AIzaSy-planted"), "the environment")
plain = st.sampled_from([None, True, 7, 0.5, -1e300, "", "34s", "xs", "PerDay", "x" * 400])
anything = plain | st.lists(plain, max_size=2) | st.dictionaries(st.sampled_from(["message", "status"]), plain)
details = st.lists(
    st.fixed_dictionaries({}, optional={"reason": anything, "retryDelay": anything, "violations": anything}) | anything,
    max_size=3,
)
errors = st.fixed_dictionaries({"error": st.fixed_dictionaries({}, optional={"message": anything, "details": details})})


@settings(deadline=None, derandomize=True, max_examples=300)
@given(st.sampled_from([201, 302, 400, 403, 404, 429, 503]), errors | anything)
def test_any_error_body_is_explained(code, body):
    error = explain(APIError(code, body), "gemini-x", KEY, 60)
    assert isinstance(error, GeminiError)
    assert str(error).endswith(".") and len(str(error)) < 800


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TimeoutError(), Unavailable),
        (asyncio.TimeoutError(), Unavailable),
        (aiohttp.ServerTimeoutError(), Unavailable),
        (aiohttp.ServerDisconnectedError(), Unavailable),
        (ConnectionResetError(104, "Connection reset by peer"), Unavailable),
        (aiohttp.InvalidURL("nowhere"), GeminiError),
        (ValueError("no JSON: AIzaSy-planted"), Malformed),
        (KeyError("AIzaSy-planted"), Malformed),
        (AttributeError("'int' has no attribute: AIzaSy-planted"), Malformed),
        (RuntimeError("AIzaSy-planted"), GeminiError),
    ],
)
def test_what_the_library_raises(error, kind):
    explained = explain(error, "gemini-x", KEY, 60)
    assert type(explained) is kind
    assert "AIzaSy-planted" not in str(explained)
