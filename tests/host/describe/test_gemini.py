import subprocess
import sys

import folder_paths
import pytest
from comfy_execution.utils import CurrentNodeContext
from pydantic import SecretStr

from diff_harmonization.description.gemini import provider as engine
from diff_harmonization.description.gemini.api_key import VARIABLES
from diff_harmonization.description.gemini.errors import GeminiError
from diff_harmonization.description.gemini.provider import Question
from diff_harmonization.description.pictures import Pictures
from diff_harmonization.host.describe import gemini

QUESTION = Question(pictures=Pictures(b"composite", b"mask", (8, 8)))


@pytest.fixture(autouse=True)
def user_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_paths, "user_directory", str(tmp_path))
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def asked(monkeypatch):
    """What the engine is asked, in place of asking; each question costs two requests."""
    sessions = []

    def describe(question, number, session):
        sessions.append(session)
        session.spend()
        session.spend()
        return ("answer",)

    monkeypatch.setattr(gemini, "describe", describe)
    return sessions


def run(prompt_id, max_calls=3):
    with CurrentNodeContext(prompt_id, "7"):
        return gemini.ask_gemini(QUESTION, 0, 60, max_calls)


def test_the_key_file_lies_where_the_host_does_not_serve(user_folder, asked, monkeypatch):
    file = gemini.key_file()
    assert file == user_folder / "__diff_harmonization" / "gemini_api_key.txt"
    assert folder_paths.get_public_user_directory(file.parent.name) is None
    file.parent.mkdir()
    file.write_text("AIzaSy-planted\n")
    run("a")
    assert asked[0].key.secret == SecretStr("AIzaSy-planted")
    monkeypatch.setenv("GEMINI_API_KEY", "AIzaSy-other")
    run("b")
    assert asked[1].key.secret == SecretStr("AIzaSy-other")


def test_no_key_is_an_error_that_names_the_file():
    with pytest.raises(ValueError, match="^no API key.*__diff_harmonization"):
        run("a")


def test_an_answer_that_was_paid_for_needs_no_key(monkeypatch):
    monkeypatch.setattr(engine, "_answers", {QUESTION.fingerprint: {0: ("answer",)}})
    assert run("paid") == (("answer",), 0)
    with CurrentNodeContext("paid", "7"), pytest.raises(ValueError, match="no API key"):
        gemini.ask_gemini(QUESTION, 1, 60, 3)


def test_requests_are_counted_by_run(asked, monkeypatch):
    monkeypatch.setenv("GEMINI_API_KEY", "AIzaSy-planted")
    assert run("first") == (("answer",), 2)
    with pytest.raises(GeminiError, match="has sent 3 requests to Gemini, as many as input max_calls allows"):
        run("first")
    assert run("first", max_calls=9) == (("answer",), 5)
    assert run("second") == (("answer",), 2)
    for _ in range(3):  # outside a run, each node is one
        assert gemini.ask_gemini(QUESTION, 0, 60, 2) == (("answer",), 2)


def test_the_user_cancels_through_the_host(asked, monkeypatch):
    import comfy.model_management

    monkeypatch.setenv("GEMINI_API_KEY", "AIzaSy-planted")
    run("a")
    asked[0].check()
    comfy.model_management.interrupt_current_processing()
    with pytest.raises(comfy.model_management.InterruptProcessingException):
        asked[0].check()


def test_nothing_is_imported_before_it_is_needed():
    """Google's library takes seconds to import, and the host loads every node at its start."""
    code = "import sys; import diff_harmonization.description.gemini.provider; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "diff_harmonization.description.gemini.errors" in done.stdout
    assert not {"google.genai", "aiohttp"} & set(done.stdout.split())
