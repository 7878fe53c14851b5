import pytest
import torch
from vision_models import write_idefics3, write_llava, write_qwen2_vl

from diff_harmonization.core.pretrained import load
from diff_harmonization.core.types import ImagingDescription
from diff_harmonization.description.local.vlm import describe_by_vlm, end_tokens
from diff_harmonization.description.parser import parse


@pytest.fixture(scope="module")
def llava(llava_folder):
    return load(llava_folder, "vlm")


@pytest.mark.parametrize("write", [write_llava, write_qwen2_vl, write_idefics3])
@pytest.mark.parametrize("seed", [1, 2])
def test_any_model_gives_distinct_descriptions(offline, tmp_path, composite, write, seed):
    found = describe_by_vlm(*load(write(tmp_path, seed), "vlm"), *composite, "palm tree", 3)
    assert len(found) == len(set(found)) == 3
    assert all(str(parse(str(description))) == str(description) for description in found)
    assert {description.object for description in found} == {"palm tree"}
    assert {description.foreground for description in found} == {found[0].foreground}
    assert len({description.background[0] for description in found}) == 3


def test_it_repeats(llava, composite):
    first, second = (list(map(str, describe_by_vlm(*llava, *composite, "dog", 2))) for _ in range(2))
    assert first == second


def test_the_same_words_in_another_order_are_no_other_description(llava, composite, monkeypatch):
    replies = iter([("warm", "dim"), ("dim", "warm"), ("cold",), ("hot",)])
    say = lambda *_: ImagingDescription("dog", ("hot",), next(replies))  # noqa: E731
    monkeypatch.setattr("diff_harmonization.description.local.vlm._reply", say)
    found = describe_by_vlm(*llava, *composite, "dog", 3)
    assert [description.background for description in found] == [("warm", "dim"), ("cold",), ("hot",)]


def test_the_words_are_the_models_choice(llava, composite):
    """A model that favors the letters of a word says it."""
    model, processor = llava

    def favor(module, inputs, output):
        output[..., processor.tokenizer.encode(" hot", add_special_tokens=False)] += 1e4

    handle = model.lm_head.register_forward_hook(favor)
    try:
        (found,) = describe_by_vlm(model, processor, *composite, "dog", 1)
    finally:
        handle.remove()
    assert found.foreground[0] == found.background[0] == "hot"


def test_the_model_sees_the_pictures(llava, composite):
    model, processor = llava
    seen = []
    handle = model.model.vision_tower.register_forward_hook(lambda module, inputs, output: seen.append(output))
    try:
        describe_by_vlm(model, processor, *composite, "dog", 1)
    finally:
        handle.remove()
    assert sum(len(output.last_hidden_state) for output in seen) == 2  # once, not at every token


def test_settings_of_the_model_cannot_break_the_form(llava, composite, monkeypatch):
    """Sampling, penalties and forbidden tokens, as some models come with."""
    model, processor = llava
    for name, value in {"do_sample": True, "temperature": 5.0, "no_repeat_ngram_size": 1, "repetition_penalty": 9.0,
                        "suppress_tokens": list(range(len(processor.tokenizer)))}.items():  # fmt: skip
        monkeypatch.setattr(model.generation_config, name, value)
    for description in describe_by_vlm(model, processor, *composite, "dog", 3):
        assert str(parse(str(description))) == str(description)


def test_it_can_be_cancelled_within_a_reply(llava, composite):
    heard = []

    def cancel(step, total):
        heard.append(step)
        if step == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        describe_by_vlm(*llava, *composite, "dog", 3, cancel)
    assert heard == [1, 2, 3, 4, 5]


def test_the_end_is_the_models_own(llava, monkeypatch):
    model, processor = llava
    monkeypatch.setattr(model.generation_config, "eos_token_id", [5, 6])
    assert end_tokens(model, processor.tokenizer) == [5, 6]
    monkeypatch.setattr(model.generation_config, "eos_token_id", None)
    assert end_tokens(model, processor.tokenizer) == [processor.tokenizer.eos_token_id]


def test_a_model_without_a_chat_template(llava, composite, monkeypatch):
    monkeypatch.setattr(llava[1], "chat_template", None)
    with pytest.raises(ValueError, match="chat template"):
        describe_by_vlm(*llava, *composite, "dog", 1)


def test_low_precision_works(llava_folder, composite):
    model, processor = load(llava_folder, "vlm", torch.bfloat16)
    assert len(describe_by_vlm(model, processor, *composite, "dog", 3)) == 3
