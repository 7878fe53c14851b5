"""Asking the real library, whose service is a local endpoint."""

import pytest
import torch
from gemini_endpoint import Endpoint, describes
from pydantic import SecretStr
from tenacity import wait_none

from diff_harmonization.description.gemini import provider as gemini
from diff_harmonization.description.gemini.api_key import ApiKey
from diff_harmonization.description.gemini.provider import Question, Session, describe
from diff_harmonization.description.pictures import encode_pictures


@pytest.fixture(scope="session")
def gemini_server():
    with Endpoint("AIzaSy-planted.for_tests-0123456789abcdef") as endpoint:
        yield endpoint


@pytest.fixture
def endpoint(gemini_server, monkeypatch):
    """It knows no answer yet, and nothing waits between two requests."""
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", gemini_server.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(gemini, "BACKOFF", wait_none())
    monkeypatch.setattr(gemini, "_answers", {})
    gemini_server.script(describes("cat:warm indoor:snowy winter", "cat:golden:icy cold", "kitten:bright:blue dusk"))
    return gemini_server


@pytest.fixture(scope="session")
def pictures():
    image = torch.rand(300, 1500, 3, generator=torch.Generator().manual_seed(0))
    mask = torch.zeros(300, 1500)
    mask[100:200, 300:900] = 1
    return encode_pictures(image, mask)


@pytest.fixture
def ask(gemini_server, pictures):
    def ask(number=0, key=gemini_server.key, timeout=20.0, **settings):
        calls = {name: settings.pop(name) for name in ("spend", "check") if name in settings}
        session = Session(key=ApiKey(SecretStr(key), "the environment"), timeout=timeout, **calls)
        return describe(Question(pictures=settings.pop("pictures", pictures), **settings), number, session)

    return ask
