"""GeminiDescribe on a real server whose Gemini is a local endpoint, and the search for the key in what it leaves."""

import io
import json
import os
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import torch
from gemini_endpoint import Endpoint, Silence, describes, fails, says
from graphs import add, refusal
from PIL import Image

from diff_harmonization.cli.client import WorkflowError
from diff_harmonization.cli.server import HostServer, device_options
from diff_harmonization.nodes.gemini import GeminiDescribe

KEY = "AIzaSy-planted.in-the-environment_0123456789"
FILE_KEY = "AIzaSy-planted.in-the-file_0123456789"
GOOD = describes("cat:warm indoor:snowy winter", "cat:golden:icy cold", "kitten:bright:blue dusk")
LINES = (
    "cat & (foreground) warm indoor & (background) snowy winter",
    "cat & (foreground) golden & (background) icy cold",
    "kitten & (foreground) bright & (background) blue dusk",
)
BUSY = fails(503, "UNAVAILABLE", f"Overloaded; {KEY} may try later.")
SUSPENDED = fails(403, "PERMISSION_DENIED", f"Permission denied: Consumer 'api_key:{KEY}' has been suspended.")


@pytest.fixture(scope="module")
def endpoint():
    with Endpoint(KEY) as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def base(new_base):
    return new_base()


@pytest.fixture(scope="module")
def keyed(host_path, base, endpoint):
    """A server of its own: it logs all it can, and knows a key."""
    file = base / "user" / "__diff_harmonization" / "gemini_api_key.txt"
    file.parent.mkdir(parents=True)
    file.write_text(FILE_KEY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GEMINI_API_KEY", KEY)
        patch.delenv("GOOGLE_API_KEY", raising=False)
        patch.setenv("GOOGLE_GEMINI_BASE_URL", endpoint.url)
        patch.setenv("NO_PROXY", "127.0.0.1")
        host = HostServer(host_path, base, base / "server.log", *device_options(), "--verbose", "DEBUG")
        with host as client:
            yield client


@pytest.fixture
def graph(keyed, endpoint, tmp_path):
    """Describes a picture that no test before has described, and saves it with its workflow."""
    endpoint.script(GOOD)
    graph.count += 1
    Image.effect_mandelbrot((64, 48), (-2, -1, 1, 1), 20 + graph.count).convert("RGB").save(tmp_path / "composite.png")
    mask = Image.new("RGB", (64, 48))
    mask.paste((255, 255, 255), (10, 10, 40, 40))
    mask.save(tmp_path / "mask.png")
    nodes = add({}, "composite", "LoadImage", image=keyed.upload(tmp_path / "composite.png", f"c{graph.count}.png"))
    add(nodes, "mask", "LoadImageMask", image=keyed.upload(tmp_path / "mask.png"), channel="red")
    add(nodes, "save", "SaveImage", images=["composite", 0], filename_prefix="tests/gemini")
    return describe(nodes, "describe")


graph.count = 0


def describe(nodes, name, **changes):
    """Adds a GeminiDescribe and an output that shows its text."""
    inputs = {"image": ["composite", 0], "mask": ["mask", 0], "model": "gemini-3.8-flash", "seed": 0, "count": 3}
    add(nodes, name, "GeminiDescribe", **inputs | changes)
    return add(nodes, f"{name}_text", "PreviewAny", source=[name, 1])


def text_of(outputs, name="describe"):
    return outputs[f"{name}_text"]["text"][0]


def test_the_node_shows_what_was_described(keyed, endpoint, graph):
    outputs = keyed.run(graph)
    assert text_of(outputs) == LINES[0]
    (shown,) = outputs["describe"]["text"]
    assert shown.startswith(f"> {LINES[0]}") and LINES[2] in shown
    assert shown.endswith("1 of 8 requests sent in this run")


def test_seeds_pick_from_answers(keyed, endpoint, graph):
    lines = []
    for seed in (0, 1, 2, 1, 0):
        graph["describe"]["inputs"]["seed"] = seed
        lines.append(text_of(keyed.run(graph)))
    assert len(endpoint.requests) == 1
    assert len(set(lines)) == 3 and lines[3:] == [lines[1], lines[0]]
    endpoint.script(describes("cat:dim:hot", "cat:dull:hot", "cat:windy:hot"))
    add(graph, "number", "PrimitiveInt", value=4)  # as a loop would
    graph["describe"]["inputs"]["seed"] = ["number", 0]
    assert text_of(keyed.run(graph)) == "cat & (foreground) dull & (background) hot"
    assert len(endpoint.requests) == 1 and LINES[0] in endpoint.requests[0].prompt


def test_a_loop_asks_once_for_its_trials_and_again_for_new_descriptions(keyed, endpoint, graph):
    """Trials with seeds 0 to 2; the second goes on, falls twice, and is gone back to with seed 3."""
    endpoint.script(GOOD, describes("cat:dim:hot", "cat:dull:hot", "cat:windy:hot"))
    add(graph, "loop", "IterateLoop", image=["composite", 0], mask=["mask", 0], seed=0)
    graph["describe"]["inputs"]["seed"] = ["loop", 3]
    add(graph, "tint", "ScriptedTint", image=["loop", 1], mask=["loop", 2], seed=["loop", 3])
    scores = "0.3 0.4 0.5 0.2 0.45 0.4 0.6"
    add(graph, "score", "ScriptedScore", image=["tint", 0], pass_index=["loop", 4], script=scores)
    links = {"image": ["tint", 0], "score": ["score", 0], "description": ["describe", 0]}
    limits = {"first_score": 0.3, "k": 3, "max_passes": 6, "new_descriptions": "next seed"}
    add(graph, "end", "IterateLoopEnd", flow=["loop", 0], **links, **limits)
    add(graph, "words", "PreviewAny", source=["end", 3])
    words = keyed.run(graph)["words"]["text"]
    first, second, third = LINES
    assert words[1:] == [first, second, third, second, second, "cat & (foreground) dim & (background) hot"]
    assert len(endpoint.requests) == 2


def test_what_is_left_out_has_a_default(keyed, endpoint, graph):
    """Workflows of the HTTP API need not name what was added later."""
    assert not {"strict", "max_calls", "timeout"} & set(graph["describe"]["inputs"])
    keyed.run(graph)


def test_the_cap_holds_for_a_run_and_all_its_nodes(keyed, endpoint, graph):
    endpoint.script(BUSY)
    graph["describe"]["inputs"]["max_calls"] = 2
    message = refusal(keyed, graph)
    assert message.startswith("GeminiDescribe: Gemini is not available (503")
    assert "This run has sent 2 requests to Gemini, as many as input max_calls allows" in message
    assert len(endpoint.requests) == 2

    endpoint.script(GOOD)
    describe(graph, "again", seed=3, max_calls=1)
    graph["describe"]["inputs"]["max_calls"] = 1
    assert "as many as input max_calls" in refusal(keyed, graph)
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize("pausing", [False, True], ids=["waiting", "pausing"])
def test_cancelling(keyed, endpoint, graph, pausing):
    retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "30s"}
    endpoint.script(fails(429, "RESOURCE_EXHAUSTED", "Slow down.", retry) if pausing else Silence())
    queued = keyed.queue(graph)
    end = time.monotonic() + 60
    while not endpoint.requests and time.monotonic() < end:
        time.sleep(0.02)
    time.sleep(0.5)
    start = time.monotonic()
    keyed.interrupt()
    with pytest.raises(WorkflowError, match=r"interrupted in GeminiDescribe \(node describe\)"):
        keyed.wait(queued, timeout=20)
    # Uncancelled, it would take 30 s or more. The engine's own tests hold it to a second; a busy server adds to that.
    assert time.monotonic() - start < 10
    assert len(endpoint.requests) == 1
    assert pausing or endpoint.hung_up.wait(5)


def test_a_name_that_is_no_models_is_told_with_its_input():
    mask = torch.zeros(1, 8, 8)
    mask[:, 2:5, 2:5] = 1
    with pytest.raises(ValueError, match="^GeminiDescribe, input model: 'gemini 3' is no model name"):
        GeminiDescribe.execute(torch.rand(1, 8, 8, 3), mask, "gemini 3", 0, 3)


def test_an_empty_mask_is_not_sent(keyed, endpoint, graph, tmp_path):
    Image.new("RGB", (64, 48)).save(tmp_path / "empty.png")
    graph["mask"]["inputs"]["image"] = keyed.upload(tmp_path / "empty.png")
    assert "GeminiDescribe, input mask: the mask is empty" in refusal(keyed, graph)
    assert endpoint.requests == []


def fetch(client, path):
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(client.url + path, timeout=20) as reply:
            return reply.read()
    except urllib.error.HTTPError as error:
        return error.read()


def test_the_key_is_nowhere(keyed, base, endpoint, graph):
    """After runs that end well and runs that do not: messages, history, logs, pictures and every file of the server."""
    messages = []

    def run(seed, reply):
        endpoint.script(reply)
        graph["describe"]["inputs"]["seed"] = seed
        return keyed.run(graph, on_message=lambda kind, data: messages.append((kind, data)))

    picture = run(0, GOOD)["save"]["images"][0]
    failures = (
        ("denies access", SUSPENDED),
        ("not available", BUSY),
        ("not in the form", says(f"The key is {KEY}.")),
        ("does not know", fails(401, "UNAUTHENTICATED", f"{KEY} is unknown.")),
    )
    for number, (expected, reply) in enumerate(failures, start=1):
        with pytest.raises(WorkflowError) as error:
            run(3 * number, reply)
        assert expected in str(error.value) and "[API key]" in str(error.value)
    run(30, describes("cat:sunny:dull", "cat:clear:dim", "cat:hot:icy"))

    saved = keyed.view(picture)
    with Image.open(io.BytesIO(saved)) as image:
        metadata = json.dumps(image.text)
    assert "GeminiDescribe" in metadata
    log = (base / "server.log").read_bytes()
    assert b"Gemini: sending the composite" in log and b"[API key]" in log and b"DEBUG" in log
    places = {
        "metadata": metadata.encode(),
        "picture": saved,
        "workflow": json.dumps(graph).encode(),
        "messages": json.dumps(messages).encode(),
        **{path: fetch(keyed, path) for path in ("/history", "/queue", "/object_info", "/internal/logs/raw")},
    }
    for folder, _, files in os.walk(base):
        places |= {f"{folder}/{name}": Path(folder, name).read_bytes() for name in files}
    assert (
        places["/history"].count(b"execution_error") >= len(failures) and b"sending the" in places["/internal/logs/raw"]
    )
    assert any(name.endswith(".png") for name in places)
    found = [name for name, content in places.items() if KEY.lower().encode() in content.lower()]
    assert found == []
    (keeps,) = (name for name, content in places.items() if FILE_KEY.encode() in content)
    assert keeps.endswith("gemini_api_key.txt")


@pytest.mark.parametrize(
    "path",
    [
        "/userdata/..%2F__diff_harmonization%2Fgemini_api_key.txt",
        "/userdata/__diff_harmonization%2Fgemini_api_key.txt",
        "/userdata?dir=../__diff_harmonization&full_info=true",
        "/view?filename=../user/__diff_harmonization/gemini_api_key.txt&type=input",
        "/view?filename=gemini_api_key.txt&type=output&subfolder=../user/__diff_harmonization",
    ],
)
def test_the_key_file_is_not_served(keyed, path):
    assert FILE_KEY.encode() not in fetch(keyed, path)
