"""The real library against a local endpoint: what is asked, how often, and what every kind of trouble says."""

import io
import json
import logging
import ssl
import time
import traceback
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from gemini_endpoint import Drip, Endpoint, Reply, Silence, describes, fails, says, sends
from PIL import Image
from pydantic import SecretStr

from diff_harmonization.core.errors import InputError
from diff_harmonization.description.gemini import provider as gemini
from diff_harmonization.description.gemini.api_key import ApiKey
from diff_harmonization.description.gemini.errors import GeminiError
from diff_harmonization.description.gemini.provider import ATTEMPTS, Session
from diff_harmonization.description.vocabulary import WORDS

KEY = "AIzaSy-planted.for_tests-0123456789abcdef"
THREE = ("cat:warm indoor:snowy winter", "cat:golden:icy cold", "kitten:bright:blue dusk")
LINES = [
    "cat & (foreground) warm indoor & (background) snowy winter",
    "cat & (foreground) golden & (background) icy cold",
    "kitten & (foreground) bright & (background) blue dusk",
]
GOOD = describes(*THREE)
REAL_BACKOFF = gemini.BACKOFF
BUSY = fails(503, "UNAVAILABLE", "The model is overloaded. Please try again later.")


def refused(call):
    """The message of a call's GeminiError; the key is nowhere in what a host would print of it."""
    with pytest.raises(GeminiError) as caught:
        call()
    printed = "".join(traceback.format_exception(caught.value))
    assert KEY not in printed and KEY.lower() not in printed
    assert "During handling" not in printed and "direct cause" not in printed
    message = str(caught.value)
    assert message[0].isupper() and "Describe:" not in message
    return message


def test_success(endpoint, ask):
    assert list(map(str, ask())) == LINES
    (request,) = endpoint.requests
    assert request.model == gemini.MODEL
    assert KEY not in request.path and KEY not in json.dumps(request.body)
    assert all(word in request.prompt for word in WORDS)
    assert request.settings["responseMimeType"] == "application/json"
    assert request.settings["responseJsonSchema"]["minItems"] == 3


def test_two_small_pictures_are_sent(endpoint, ask):
    ask()
    (kind, composite), (mask_kind, mask) = endpoint.requests[0].files
    assert (kind, mask_kind) == ("image/jpeg", "image/png")
    with Image.open(io.BytesIO(composite)) as picture, Image.open(io.BytesIO(mask)) as region:
        assert picture.size == region.size == (1024, 205)
        assert picture.mode == "RGB" and region.mode == "L"
        assert not picture.getexif() and not picture.info.get("comment") and not region.info


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(LINES),
        "```\n" + "\n".join(LINES) + "\n```",
        "```text\n" + "\n\n".join(LINES) + "\n```\n",
        "\n".join(f"{line.upper()}." for line in LINES),
    ],
)
def test_lines_are_as_good_as_json(endpoint, ask, text):
    endpoint.script(says(text))
    assert list(map(str, ask())) == LINES


def test_a_model_without_structured_output_is_asked_for_lines(endpoint, ask):
    refusal = fails(400, "INVALID_ARGUMENT", "JSON mode is not enabled for models/gemma-3-27b-it")
    endpoint.script(refusal, says("\n".join(LINES)))
    assert list(map(str, ask(model="gemma-3-27b-it"))) == LINES
    first, second = endpoint.requests
    assert "responseJsonSchema" in first.settings and "(foreground)" not in first.prompt
    assert second.settings == {} and "OBJECT & (foreground) WORDS & (background) WORDS" in second.prompt


@pytest.mark.parametrize(
    "nonsense",
    [
        "A cat in the snow.",
        "Here you are:\n" + LINES[0],
        '[{"object": "cat"}]',
        '[{"object": "cat", "foreground": ["sparkly"], "background": ["dull"]}]',
        '{"descriptions": []}',
        "[" * 5000,
    ],
)
def test_malformed_twice_then_good(endpoint, ask, nonsense):
    endpoint.script(says(nonsense), says(nonsense), GOOD)
    assert list(map(str, ask())) == LINES
    assert len(endpoint.requests) == 3


def test_malformed_to_the_end(endpoint, ask):
    endpoint.script(says(f"A cat, {KEY}, in the snow."))
    message = refused(ask)
    assert "not in the form" in message and "[API key]" in message
    assert message.endswith(f"Asked {ATTEMPTS} times.")
    assert len(endpoint.requests) == ATTEMPTS


def test_a_limit_is_waited_for(endpoint, ask, caplog):
    retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.7s"}
    endpoint.script(fails(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota.", retry), GOOD)
    start = time.monotonic()
    with caplog.at_level(logging.WARNING):
        assert list(map(str, ask())) == LINES
    assert time.monotonic() - start > 0.7
    assert len(endpoint.requests) == 2
    assert "429 You exceeded" in caplog.text and "Asking again in 1 s (2 of 4)" in caplog.text


def test_pauses_grow(endpoint, ask, monkeypatch):
    pauses = []
    monkeypatch.setattr(gemini, "BACKOFF", REAL_BACKOFF)
    monkeypatch.setattr(gemini, "sleep", lambda seconds, check: pauses.append(seconds))
    endpoint.script(BUSY)
    refused(ask)
    assert len(pauses) == ATTEMPTS - 1
    assert 1 <= pauses[0] < pauses[1] < pauses[2] < 10


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        ({"retryDelay": "3600s"}, "another 3600 s"),
        ({"violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]}, "for the day"),
    ],
)
def test_a_limit_that_lasts_is_not_waited_for(endpoint, ask, details, expected):
    endpoint.script(fails(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota.", details))
    message = refused(ask)
    assert expected in message and "rate-limit" in message
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize("code", [408, 500, 503])
def test_server_errors_to_exhaustion(endpoint, ask, code):
    endpoint.script(fails(code, "INTERNAL", "An internal error has occurred."))
    message = refused(ask)
    assert f"not available ({code} An internal error has occurred)" in message and "Try again later" in message
    assert message.endswith(f"Asked {ATTEMPTS} times.")
    assert len(endpoint.requests) == ATTEMPTS  # the library adds none of its own


def test_a_server_error_then_good(endpoint, ask):
    endpoint.script(BUSY, BUSY, BUSY, GOOD)
    assert list(map(str, ask())) == LINES


def test_timeout(endpoint, ask, monkeypatch):
    monkeypatch.setattr(gemini, "ATTEMPTS", 2)
    endpoint.script(Silence())
    sent = []
    start = time.monotonic()
    message = refused(lambda: ask(timeout=1.5, spend=lambda: sent.append(time.monotonic())))
    assert "did not answer within 1.5 s" in message and "input timeout" in message
    assert len(sent) == 2
    assert 3 < time.monotonic() - start < 10


def test_a_reply_that_never_ends_is_left(endpoint, ask, monkeypatch):
    monkeypatch.setattr(gemini, "ATTEMPTS", 1)
    ask()  # the library is loaded
    endpoint.script(Drip())
    start = time.monotonic()
    assert "did not answer within 2 s" in refused(lambda: ask(number=1, timeout=2.0))
    assert len(endpoint.requests) == 1
    assert time.monotonic() - start < 10
    assert endpoint.hung_up.wait(5), "the connection was left open"


@pytest.mark.parametrize(
    ("reply", "expected", "requests"),
    [
        (
            sends({"promptFeedback": {"blockReason": "SAFETY"}}),
            r"blocked the request \(SAFETY\).*words of your own need no service",
            1,
        ),
        (sends({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}), r"blocked .*PROHIBITED_CONTENT", 1),
        (says("", "SAFETY"), r"withheld its reply \(SAFETY\).*a model on this machine", 1),
        (says(LINES[0], "RECITATION"), r"withheld its reply \(RECITATION\)", 1),
        (sends({"candidates": []}), "empty reply, without candidates.*another model", ATTEMPTS),
        (sends({"usageMetadata": {"promptTokenCount": 9}}), "empty reply, without candidates", ATTEMPTS),
        (says("", "MAX_TOKENS"), r"empty reply \(MAX_TOKENS\)", ATTEMPTS),
        (Reply(200, b"<html>Sign in to the hotel's network</html>"), "could not be read.*proxy", ATTEMPTS),
        (fails(404, "NOT_FOUND", "models/x is not found"), "no model 'gemini.*Models are retired.*input model", 1),
        (fails(401, "UNAUTHENTICATED", "No."), "does not know the API key of the environment", 1),
        (
            fails(403, "PERMISSION_DENIED", f"Consumer 'api_key:{KEY}' has been suspended."),
            r"denies access .*'api_key:\[API key\]' has been suspended.*apikey",
            1,
        ),
        (
            fails(400, "FAILED_PRECONDITION", "User location is not supported for the API use."),
            "does not serve this account .*billing",
            1,
        ),
        (fails(400, "INVALID_ARGUMENT", "Unable to process input image."), "refused the request.*read pictures", 1),
        (Reply(418, b"I am a teapot", {"Content-Type": "text/plain"}), "refused the request .418 I am a teapot", 1),
        (fails(400, "INVALID_ARGUMENT", "x" * 298 + KEY), r"x\[A\)\. Check", 1),
    ],
)
def test_every_refusal_says_what_to_do(endpoint, ask, reply, expected, requests):
    endpoint.script(reply)
    with pytest.raises(GeminiError, match=expected):
        refused_once(ask)
    assert len(endpoint.requests) == requests


def refused_once(ask):
    raise GeminiError(refused(ask))


def test_wrong_key(endpoint, ask):
    message = refused(lambda: ask(key="AIzaSy-another"))
    assert "does not know the API key of the environment" in message and "aistudio.google.com" in message
    assert "AIzaSy-another" not in message
    assert len(endpoint.requests) == 1


def test_a_redirect_does_not_carry_the_key_away(endpoint, ask):
    with Endpoint(KEY) as elsewhere:
        elsewhere.script(GOOD)
        target = f"{elsewhere.url}/v1/models/x:generateContent"
        endpoint.script(Reply(307, b"", {"Location": target}))
        assert "redirect" in refused(ask)
        assert elsewhere.requests == []


def test_no_connection(endpoint, ask, monkeypatch):
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", "http://127.0.0.1:9")
    message = refused(ask)
    assert "No connection to Gemini" in message and "HTTPS_PROXY" in message and "SSLContext" not in message


def test_only_a_server_that_proves_its_name_is_asked(endpoint, ask, monkeypatch, tmp_path):
    """Over https on this machine, with a certificate that nobody knows, and then one that the user trusts."""
    certificate = self_signed(tmp_path)
    monkeypatch.setattr(gemini, "ATTEMPTS", 1)
    with Endpoint(endpoint.key) as encrypted:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        encrypted.server.socket = context.wrap_socket(encrypted.server.socket, server_side=True)
        encrypted.script(GOOD)
        monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", encrypted.url.replace("http:", "https:"))
        gemini._certificates.cache_clear()
        assert "No connection to Gemini" in refused(ask) and encrypted.requests == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        gemini._certificates.cache_clear()
        assert list(map(str, ask())) == LINES
    gemini._certificates.cache_clear()


def self_signed(folder):
    """A file with a certificate of 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a test")])
    now = datetime.now(timezone.utc)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
    encoding, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain)
    (folder / "certificate.pem").write_bytes(made.sign(key, hashes.SHA256()).public_bytes(encoding) + private)
    return folder / "certificate.pem"


def test_the_list_of_trusted_certificates_is_read_once(endpoint, ask, monkeypatch):
    """The library by itself reads it three times for each request, which takes longer than the rest of it."""
    reads, create = [], ssl.create_default_context
    monkeypatch.setattr(ssl, "create_default_context", lambda **places: reads.append(places) or create(**places))
    gemini._certificates.cache_clear()
    ask(), ask(number=1)
    assert len(endpoint.requests) > 1 and len(reads) == 1


def test_an_address_that_is_none(endpoint, ask, monkeypatch):
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", "nowhere")
    assert "GOOGLE_GEMINI_BASE_URL is no web address" in refused(ask)


def test_other_google_settings_do_not_interfere(endpoint, ask, monkeypatch):
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "somebody")
    monkeypatch.setenv("GOOGLE_API_KEY", "of-another-place")
    assert list(map(str, ask())) == LINES


def test_names_of_the_newest_model_go_to_the_beta_version(endpoint, ask):
    ask(model="gemini-flash-latest")
    assert endpoint.requests[0].version == "v1beta"


@pytest.mark.parametrize(
    "model",
    ["", "gemini 3", "gemini?key=x", "https://example.com", "../../v1/models/x", "models/../x", ".hidden", "a..b"],
)
def test_what_is_no_model_name_is_not_asked(endpoint, ask, model):
    with pytest.raises(InputError, match="`model`: .* is no model name"):
        ask(model=model)
    assert endpoint.requests == []


class Cancelled(BaseException):
    pass


def test_cancelling_while_waiting_for_a_reply(endpoint, ask):
    endpoint.script(Silence())
    asked = []

    def check():
        if endpoint.requests:
            asked.append(time.monotonic())
            raise Cancelled

    with pytest.raises(Cancelled):
        ask(check=check)
    assert time.monotonic() - asked[0] < 1
    assert endpoint.hung_up.wait(5), "the connection was left open"
    assert len(endpoint.requests) == 1


def test_cancelling_between_two_requests(endpoint, ask, monkeypatch):
    monkeypatch.setattr(gemini, "BACKOFF", lambda state: 30.0)
    monkeypatch.setattr(gemini, "_log_retry", lambda state: pausing.append(time.monotonic()))
    pausing = []

    def check():
        if pausing and time.monotonic() > pausing[0] + 0.3:
            raise Cancelled

    endpoint.script(BUSY)
    with pytest.raises(Cancelled):
        ask(check=check)
    assert time.monotonic() - pausing[0] < 1.5
    assert len(endpoint.requests) == 1


def test_an_answer_is_paid_for_once(endpoint, ask, pictures):
    assert ask() is ask()
    assert len(endpoint.requests) == 1
    for other in ({"model": "gemini-flash-latest"}, {"count": 2}, {"strict": False}):
        ask(**other)
    assert len(endpoint.requests) == 4
    assert KEY not in repr(gemini._answers)


def test_failures_are_not_remembered(endpoint, ask):
    endpoint.script(fails(404, "NOT_FOUND", "gone"))
    refused(ask)
    endpoint.script(GOOD)
    assert list(map(str, ask())) == LINES


@pytest.mark.parametrize("trouble", [BUSY, says("A cat."), fails(404, "NOT_FOUND", "gone")])
def test_an_answer_that_an_error_cut_short_is_used_and_not_remembered(endpoint, ask, caplog, trouble):
    endpoint.script(describes(THREE[0]), trouble)
    with caplog.at_level(logging.WARNING):
        assert list(map(str, ask())) == LINES[:1]
    assert "Going on with: cat" in caplog.text
    endpoint.script(GOOD)
    assert list(map(str, ask())) == LINES
    assert ask() is ask()
    assert len(endpoint.requests) == 1


def test_all_that_a_model_can_give_is_remembered(endpoint, ask):
    endpoint.script(fails(400, "INVALID_ARGUMENT", "JSON mode is not enabled"), says(LINES[0]))
    assert list(map(str, ask())) == LINES[:1]
    assert len(endpoint.requests) == 3  # the third brings nothing new
    assert ask() is ask()
    assert len(endpoint.requests) == 3


def test_a_new_number_asks_for_something_new(endpoint, ask):
    ask()
    endpoint.script(describes(THREE[0], "cat:dim:dull", "cat:hot:icy"), describes("cat:clear:foggy"))
    again = list(map(str, ask(number=1)))
    assert len(again) == 3 and not set(again) & set(LINES)
    first, second = endpoint.requests
    assert all(line in first.prompt for line in LINES)
    assert "exactly 1 description," in second.prompt and again[0] in second.prompt
    assert list(map(str, ask(number=0))) == LINES
    assert len(endpoint.requests) == 2


def test_far_numbers_cost_no_more(endpoint, ask):
    assert len(ask(number=2**31)) == 3
    assert len(endpoint.requests) == 1


def test_a_model_without_new_ideas_repeats_itself_and_says_so(endpoint, ask, caplog):
    ask()
    with caplog.at_level(logging.WARNING):
        assert list(map(str, ask(number=1))) == LINES
    assert len(endpoint.requests) == 2  # another request would cost as much and bring as little
    assert "fewer new descriptions than were asked for" in caplog.text and "Going on with: cat" in caplog.text


def test_fewer_descriptions_are_used_with_a_warning(endpoint, ask, caplog):
    endpoint.script(describes(THREE[0], "cat:indoor warm:winter snowy"))
    with caplog.at_level(logging.WARNING):
        assert list(map(str, ask())) == LINES[:1]
    assert len(endpoint.requests) == 2
    assert "Going on with: cat" in caplog.text


def test_a_reply_that_does_not_serve_earns_a_pause(endpoint, ask, monkeypatch):
    pauses = []
    monkeypatch.setattr(gemini, "BACKOFF", REAL_BACKOFF)
    monkeypatch.setattr(gemini, "sleep", lambda seconds, check: pauses.append(seconds))
    endpoint.script(describes(THREE[0]), describes(THREE[1]), describes(THREE[2]))
    assert list(map(str, ask())) == LINES
    assert len(pauses) == 2 and min(pauses) >= 1


def test_a_limit_on_requests_does_not_hide_why_another_was_needed(endpoint, ask):
    def spend():
        if endpoint.requests:
            raise GeminiError("This run has sent 1 request.")

    endpoint.script(BUSY)
    message = refused(lambda: ask(spend=spend))
    assert message.startswith("Gemini is not available (503") and message.endswith("This run has sent 1 request.")


def test_a_huge_reply_is_refused_once_and_in_short(endpoint, ask):
    endpoint.script(says("cat " * 1_000_000))
    message = refused(ask)
    assert "has 4000000 characters" in message and len(message) < 300
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize("address", ["http://198.51.100.7", "http://gemini.example", "HTTP://10.0.0.2:8080"])
def test_the_key_does_not_travel_in_clear_to_another_machine(endpoint, ask, monkeypatch, address):
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", address)
    sent = []
    message = refused(lambda: ask(spend=lambda: sent.append(1)))
    assert "GOOGLE_GEMINI_BASE_URL" in message and "unencrypted" in message and sent == []


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:9", "http://localhost:9", "http://[::1]:9", "https://127.0.0.1:9"]
)
def test_this_machine_and_encrypted_addresses_are_asked(endpoint, ask, monkeypatch, address):
    monkeypatch.setattr(gemini, "ATTEMPTS", 1)
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", address)
    assert "No connection to Gemini" in refused(ask)


def test_more_descriptions_than_asked_for_are_cut(endpoint, ask):
    assert list(map(str, ask(count=2))) == LINES[:2]


def test_words_outside_the_vocabulary(endpoint, ask):
    endpoint.script(describes("cat:gloomy sparkly:overcast"))
    (description,) = ask(count=1, strict=False)
    assert str(description) == "cat & (foreground) dull sparkly & (background) cloudy"
    assert "enum" not in json.dumps(endpoint.requests[0].settings)
    assert "'gloomy', 'sparkly' are not in the vocabulary" in refused(lambda: ask(count=1))


def test_every_request_is_counted_before_it_is_sent(endpoint, ask):
    left = [1, 1]

    def spend():
        if not left:
            raise GeminiError("No more.")
        left.pop()

    endpoint.script(BUSY)
    assert "No more." in refused(lambda: ask(spend=spend))
    assert len(endpoint.requests) == 2


def test_the_key_does_not_show(endpoint, ask, caplog):
    with caplog.at_level(logging.DEBUG):
        ask()
        endpoint.script(fails(403, "PERMISSION_DENIED", f"Consumer 'api_key:{KEY}' has been suspended."))
        refused(lambda: ask(number=1))
    session = Session(key=ApiKey(SecretStr(KEY), "the environment"))
    assert KEY not in caplog.text + repr(session) + str(session.key)
