"""TextDescribe, and the providers of LocalDescribe in the real host; models are tiny ones with random weights."""

import json

import pytest
import torch
from graphs import add, refusal
from vision_models import write_clip, write_llava

from diff_harmonization.cli.client import WorkflowError
from diff_harmonization.description.parser import parse
from diff_harmonization.nodes.describe import LocalDescribe, TextDescribe


@pytest.fixture(scope="module")
def models(server, server_base):
    """Model folders where the host looks for them."""
    folder = server_base / "models" / "VLM"
    write_clip(folder / "tiny clip")
    write_llava(folder / "tiny llava")
    (folder / "unknown").mkdir()
    (folder / "unknown" / "config.json").write_text(json.dumps({"model_type": "zeppelin"}))
    return folder


@pytest.fixture
def describe(server, composite_name, mask_name):
    def graph(**inputs):
        graph = {"composite": {"class_type": "LoadImage", "inputs": {"image": composite_name}}}
        add(graph, "mask", "LoadImageMask", image=mask_name, channel="red")
        add(graph, "describe", "LocalDescribe", image=["composite", 0], mask=["mask", 0], object="cat", **inputs)
        return add(graph, "words", "PreviewAny", source=["describe", 1])

    return graph


def words(server, graph):
    (text,) = server.run(graph)["words"]["text"]
    return text


def test_a_graph_of_an_older_version_is_described_by_statistics(server, describe):
    assert words(server, describe()) == words(server, describe(provider="statistics", seed=0))


@pytest.mark.parametrize("provider", ["statistics", "clip", "vlm"])
def test_a_seed_picks_one_of_the_alternatives(server, models, describe, provider):
    model = {} if provider == "statistics" else {"provider.model": "tiny clip" if provider == "clip" else "tiny llava"}
    texts = [words(server, describe(provider=provider, seed=seed, **model)) for seed in range(4)]
    assert all(str(parse(text)) == text and text.startswith("cat & ") for text in texts)
    count = 3 if texts[2] != texts[0] else 2
    assert len(set(texts[:count])) == count
    assert texts[count] == texts[0]


def test_a_harmonizer_changes_the_background_words_of_statistics_alone(server, models, describe):
    def asked(**inputs):
        graph = add(describe(**inputs), "load", "LoadRoutedHarmonizer", name="embedded")
        graph["describe"]["inputs"]["harmonizer"] = ["load", 0]
        return parse(words(server, graph)), parse(words(server, describe(**inputs)))

    towards, plain = asked(provider="statistics")
    assert towards.foreground == plain.foreground and towards.background != plain.background
    towards, plain = asked(**{"provider": "clip", "provider.model": "tiny clip"})
    assert towards == plain


def test_in_a_loop_the_current_picture_gives_the_foregrounds_words(server, describe):
    graph = add(describe(provider="statistics"), "black", "EmptyImage", width=64, height=48, batch_size=1, color=0)
    add(graph, "everywhere", "SolidMask", width=64, height=48, value=1.0)
    links = {"current_image": ["black", 0], "current_mask": ["everywhere", 0]}
    before = parse(words(server, graph))
    graph["describe"]["inputs"] |= links
    now = parse(words(server, graph))
    assert now.background == before.background and "dark" in now.foreground != before.foreground


def test_models_are_listed_when_they_arrive(server, models):
    spec = server.object_info("LocalDescribe")["LocalDescribe"]["input"]["optional"]["provider"][1]
    options = {option["key"]: option["inputs"]["required"] for option in spec["options"]}
    assert options["statistics"] == {}
    for provider in ("clip", "vlm"):
        assert options[provider]["model"][1]["options"] == ["tiny clip", "tiny llava", "unknown"]


@pytest.mark.parametrize(
    ("provider", "model", "found"),
    [("clip", "tiny llava", "'llava'"), ("vlm", "tiny clip", "'clip'"), ("vlm", "unknown", "'zeppelin'")],
)
def test_a_model_of_another_kind(server, models, describe, provider, model, found):
    message = refusal(server, describe(provider=provider, **{"provider.model": model}))
    assert message.startswith("LocalDescribe, input provider") and model in message and found in message


def test_a_folder_that_is_not_there(server, models, describe):
    """The host itself refuses what its list does not have."""
    with pytest.raises(WorkflowError) as error:
        server.run(describe(provider="vlm", **{"provider.model": "gone"}))
    assert "gone" in str(error.value) + json.dumps(error.value.details)


def test_a_line_comes_before_the_three_fields():
    line = "dog & (foreground) bright & (background) dull"
    assert TextDescribe.execute(f" {line}\n", "cat", "dim", "hot").args[1] == line
    assert TextDescribe.execute(" ", "cat", "dim", "hot").args[1] == "cat & (foreground) dim & (background) hot"
    assert TextDescribe.execute().args[1] == "object & (foreground) daylight & (background) daylight"


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (
            {"description": "a cat in the snow"},
            r"^TextDescribe, input description: A description has the form 'OBJECT & \(foreground\) WORDS.*a cat in",
        ),
        (
            {"description": "cat & (foreground) spooky & (background) dim"},
            "^TextDescribe, input description: The foreground words 'spooky'.*vocabulary",
        ),
        ({"object": "7"}, "^TextDescribe, input object: A description's object.*'7'"),
        ({"foreground": ""}, "^TextDescribe, input foreground: A description needs at least one word"),
        ({"background": "odd"}, "^TextDescribe, input background: The background words 'odd'.*vocabulary"),
    ],
)
def test_a_refused_text_is_told_with_its_input(inputs, message):
    with pytest.raises(ValueError, match=message):
        TextDescribe.execute(**inputs)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"object": "7"}, "^LocalDescribe, input object: A description's object"),
        ({"provider": {"provider": "vlm", "model": "gone"}}, "^LocalDescribe, input provider.model: .* 'gone'"),
        ({"mask": torch.ones(1, 8, 8)}, "^LocalDescribe, input mask: .* covers the whole picture"),
        ({"importance": torch.ones(1, 8, 4)}, "^LocalDescribe, input importance: got 4x8 .*, expected 8x8"),
        ({"current_image": torch.rand(1, 4, 4, 3)}, "^LocalDescribe, input current_mask: nothing is connected"),
        ({"current_mask": torch.ones(1, 4, 4)}, "^LocalDescribe, input current_image: nothing is connected"),
        (
            {"current_image": torch.rand(1, 4, 4, 3), "current_mask": torch.ones(1, 8, 4)},
            "^LocalDescribe, input current_mask: got 4x8 .*, expected 4x4",
        ),
        ({"importance": torch.zeros(8, 8)}, "^LocalDescribe, input importance: it is 0 everywhere outside"),
    ],
)
def test_a_refused_input_is_told_by_its_name(inputs, message):
    mask = torch.zeros(1, 8, 8)
    mask[:, 2:5, 2:5] = 1
    with pytest.raises(ValueError, match=message):
        LocalDescribe.execute(**{"image": torch.rand(1, 8, 8, 3), "mask": mask, "object": "cat"} | inputs)
