import comfy.sd
import pytest
import torch
from comfy.supported_models_base import ClipTarget
from comfy.text_encoders.sd3_clip import SD3Tokenizer, sd3_clip
from text_nodes import encoded
from tiny_models import CONTEXT_DIM, SDXL, SDXL_CONTEXT, SDXL_TEXT, tiny_clip

from diff_harmonization.host.sampling.text import ClipEncoder

TEXT = "photographer's umbrella, bright golden greyscale"


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_context_is_the_hosts(version, dtype, executor):
    clip = tiny_clip(version, dtype)
    encoder = ClipEncoder(clip)
    prompt = encoder.tokenize(TEXT)
    expected = clip.encode_from_tokens(clip.tokenize(TEXT))
    assert torch.equal(encoder.encode(prompt), expected)
    assert torch.equal(encoder.encode(prompt, encoder.embed(prompt)), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("text", [TEXT, "", "dog " * 75])
def test_context_of_sdxl_is_the_hosts_with_its_pooled_output(text, dtype, executor):
    clip = tiny_clip(SDXL, dtype)
    encoder = ClipEncoder(clip)
    prompt = encoder.tokenize(text)
    (((expected, options),),) = encoded(clip, text.strip())
    assert expected.shape == (1, 77, SDXL_CONTEXT) and options["pooled_output"].shape == (1, CONTEXT_DIM)
    for context in (encoder.encode(prompt), encoder.encode(prompt, encoder.embed(prompt))):
        assert torch.equal(context.tokens, expected) and torch.equal(context.pooled, options["pooled_output"])


def test_sdxls_text_models_pad_differently_and_their_embeddings_stand_side_by_side(executor):
    clip = tiny_clip(SDXL)
    encoder = ClipEncoder(clip)
    prompt = encoder.tokenize("dog")
    ids = {key: [token for token, _ in chunks[0]] for key, chunks in clip.tokenize("dog").items()}
    assert ids["l"][:3] == ids["g"][:3] and ids["l"][3:] == [49407] * 74 and ids["g"][3:] == [0] * 74
    embeddings = encoder.embed(prompt)
    assert encoder.width == embeddings.shape[1] == SDXL_CONTEXT
    for key, own in zip(("g", "l"), embeddings.split([SDXL_TEXT["clip_g"], SDXL_TEXT["clip_l"]], 1), strict=True):
        table = getattr(clip.cond_stage_model, f"clip_{key}").transformer.get_input_embeddings().weight
        assert torch.equal(own, table[ids[key]])


@pytest.mark.parametrize("output", ["tokens", "pooled"])
@pytest.mark.parametrize("model", SDXL_TEXT)
def test_gradient_reaches_the_embeddings_of_each_of_sdxls_text_models(model, output, executor):
    encoder = ClipEncoder(tiny_clip(SDXL))
    prompt = encoder.tokenize(TEXT)
    with encoder.gradients():
        start = encoder.embed(prompt)
        own = torch.zeros_like(start)
        first = SDXL_TEXT["clip_g"]
        columns = slice(0, first) if model == "clip_g" else slice(first, None)
        own[:, columns] = torch.randn(own[:, columns].shape, generator=torch.Generator().manual_seed(1))

        def loss(embeddings):
            return getattr(encoder.encode(prompt, embeddings), output).double().square().sum()

        leaf = start.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(loss(leaf), leaf)
        step = 1e-3
        with torch.no_grad():
            numeric = (loss(leaf + step * own) - loss(leaf - step * own)) / (2 * step)
    if (model, output) == ("clip_l", "pooled"):  # it comes from the other one alone
        assert gradient[:, columns].count_nonzero() == 0 == numeric
    else:
        assert gradient[1 : prompt.end, columns].abs().amax(1).min() > 0
        assert float((gradient * own).sum()) == pytest.approx(float(numeric), rel=2e-2)


def test_words_stand_where_their_tokens_are(clip):
    encoder = ClipEncoder(clip)
    prompt = encoder.tokenize(TEXT)
    assert [word for word, _ in prompt.words] == TEXT.split()
    flat = [position for _, span in prompt.words for position in span]
    assert flat == list(range(1, prompt.end)) and len(prompt.ids) == 77
    assert len(prompt.words[0][1]) > 1 and len(prompt.words[1][1]) == 2  # "'s" and the comma are tokens
    vocabulary = clip.tokenizer.clip_h.inv_vocab
    assert vocabulary[prompt.ids[prompt.positions(("golden", "greyscale"))[0]]] == "golden</w>"
    assert vocabulary[prompt.ids[prompt.end]] == "<|endoftext|>"


def test_empty_prompt(clip):
    prompt = ClipEncoder(clip).tokenize("")
    assert prompt.words == () and prompt.end == 1


def test_parentheses_are_text(clip):
    encoder = ClipEncoder(clip)
    prompt = encoder.tokenize(r"dog (bright:1.5) \(dull\)")
    inside = [clip.tokenizer.clip_h.inv_vocab[token] for token in prompt.ids[1 : prompt.end]]
    assert "(</w>" in inside and "dull</w>" in inside
    assert len(inside) == prompt.end - 1


def test_too_long_a_prompt_is_refused(clip):
    encoder = ClipEncoder(clip)
    assert encoder.tokenize("dog " * 75).end == 76
    with pytest.raises(ValueError, match="75 tokens"):
        encoder.tokenize("dog " * 76)


def test_other_encoders_are_refused(clip):
    class Two:
        cond_stage_model = clip.cond_stage_model

        @staticmethod
        def tokenize(text):
            return {"l": clip.tokenize(text)["h"], "g": clip.tokenize(text)["h"]}

    with pytest.raises(ValueError, match="^`clip`: got"):
        ClipEncoder(Two())


def test_sd3s_text_encoders_are_refused():
    """Without its T5 it has SDXL's two text models, which it reads otherwise."""
    narrow = {"num_hidden_layers": 3, "hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 32}
    options = {f"clip_{name}_model_config": narrow for name in "lg"}
    target = ClipTarget(SD3Tokenizer, sd3_clip(t5=False))
    with pytest.raises(ValueError, match=r"^`clip`: got SD3ClipModel_? .*expected the CLIP of an SD1\.5, SD2 or SDXL"):
        ClipEncoder(comfy.sd.CLIP(target, model_options=options))


def test_wrong_number_of_embeddings_is_refused(clip):
    encoder = ClipEncoder(clip)
    prompt = encoder.tokenize("dog")
    with pytest.raises(ValueError, match="77 tokens, but 3"):
        encoder.encode(prompt, torch.zeros(3, 64))


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_gradient_of_the_embeddings_matches_finite_differences(version, dtype, executor):
    clip = tiny_clip(version, dtype)
    encoder = ClipEncoder(clip)
    prompt = encoder.tokenize(TEXT)
    outside = encoder.encode(prompt).clone()
    with encoder.gradients():
        start = encoder.embed(prompt)
        direction = torch.randn(start.shape, generator=torch.Generator().manual_seed(1))

        def loss(embeddings):
            return encoder.encode(prompt, embeddings).double().square().sum()

        for _ in range(2):  # an optimizer comes back
            leaf = start.clone().requires_grad_()
            (gradient,) = torch.autograd.grad(loss(leaf), leaf)
        step = 1e-3
        with torch.no_grad():
            numeric = (loss(leaf + step * direction) - loss(leaf - step * direction)) / (2 * step)
        torch.testing.assert_close(encoder.encode(prompt), outside)
    assert float((gradient * direction).sum()) == pytest.approx(float(numeric), rel=2e-2)
    assert encoder.clip is clip
    assert torch.equal(encoder.encode(prompt), outside)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(("dtype", "close"), [(torch.float32, 1e-5), (torch.float16, 1e-5), (torch.bfloat16, 1e-5)])
def test_rows_encoded_together_are_those_encoded_alone(version, dtype, close, executor):
    """Contexts and gradients, as shares of the largest value; in gradients all is computed in float32."""
    encoder = ClipEncoder(tiny_clip(version, dtype))
    prompts = [encoder.tokenize(text) for text in (TEXT, "dog bright", "dog winter dull")]

    def difference(found, expected):
        pairs = zip(found, expected, strict=True)
        return max(((a - b).abs().max() / b.abs().max()).item() for a, b in pairs)

    with encoder.gradients():
        rows = [encoder.embed(prompt).requires_grad_() for prompt in prompts]
        alone = [encoder.encode(prompt, row) for prompt, row in zip(prompts, rows, strict=True)]
        together = encoder.encode_rows(prompts, rows)
        assert [row.shape for row in together] == [row.shape for row in alone]
        assert difference(together, alone) < close
        gradients = [
            torch.autograd.grad(sum(context.square().sum() for context in contexts), rows)
            for contexts in (together, alone)
        ]
        assert difference(*gradients) < close


def test_clip_skip_and_lora_stay_in_effect(clip, executor):
    plain = ClipEncoder(clip).encode(ClipEncoder(clip).tokenize(TEXT))
    changed = clip.clone()
    key = "clip_h.transformer.text_model.encoder.layers.0.self_attn.v_proj.weight"
    assert changed.add_patches({key: ("diff", (0.3 * torch.ones(64, 64),))})
    skipped = clip.clone()
    skipped.clip_layer(-3)
    for other in (changed, skipped):
        encoder = ClipEncoder(other)
        prompt = encoder.tokenize(TEXT)
        expected = other.encode_from_tokens(other.tokenize(TEXT)).clone()
        assert not torch.allclose(expected, plain, atol=1e-3)
        with encoder.gradients():
            torch.testing.assert_close(encoder.encode(prompt, encoder.embed(prompt)), expected)
    assert torch.equal(ClipEncoder(clip).encode(prompt), plain)
