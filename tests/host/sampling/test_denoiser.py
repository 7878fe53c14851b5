import comfy.hooks
import comfy.sample
import comfy.samplers
import pytest
import torch
from controls import FakeControl
from tiny_models import CONTEXT_DIM, LAYERS, tiny_model

from diff_harmonization.host.sampling.denoiser import to_latent_out, with_denoiser

MODELS = [(2, "EPS"), (2, "V_PREDICTION"), (1, "EPS"), (1, "V_PREDICTION")]
KEY = "diffusion_model.middle_block.1.transformer_blocks.0.attn2.to_k.weight"


def sample(model, latent, context):
    """What a stock KSampler node returns."""
    noise = torch.randn(latent.shape, generator=torch.Generator().manual_seed(5))
    positive, negative = [[context, {}]], [[torch.zeros_like(context), {}]]
    return comfy.sample.sample(model, noise, 2, 3.0, "euler", "normal", positive, negative, latent, seed=5)


def evaluate(model, latent, context, sigmas, rows=1, **kwargs):
    def stage(denoise, x):
        return denoise(x.repeat(rows, 1, 1, 1), 1.0, context)

    return with_denoiser(model, latent, stage, sigmas, **kwargs)


@pytest.mark.parametrize(("version", "prediction"), MODELS)
def test_noise_is_that_of_the_hosts_own_model(version, prediction, latent, context, sigmas, executor):
    model = tiny_model(version, prediction)
    contexts = torch.cat([context, -context, 2 * context])
    eps = evaluate(model, latent, contexts, sigmas, rows=3)
    x = model.model.process_latent_in(latent).repeat(3, 1, 1, 1)
    denoised = model.model.apply_model(x, torch.ones(3), c_crossattn=contexts)
    torch.testing.assert_close(eps, x - denoised, rtol=1e-5, atol=1e-5)
    alone = evaluate(model, latent, -context, sigmas)
    torch.testing.assert_close(alone, eps[1:2], rtol=1e-4, atol=1e-5)


def test_v_prediction_is_told_from_eps(latent, context, sigmas):
    first, second = (evaluate(tiny_model(2, name), latent, context, sigmas) for name in ("EPS", "V_PREDICTION"))
    assert not torch.allclose(first, second, atol=1e-2)


def test_euler_steps_equal_the_hosts_sampler(model, latent, context, executor):
    sigmas = torch.tensor([3.0, 1.5, 0.7, 0.0])

    def stage(denoise, x):
        x = x + torch.ones_like(x) * sigmas[0]
        for sigma, low in zip(sigmas, sigmas[1:], strict=False):
            x = x + (low - sigma) * denoise(x, sigma, context)
        return to_latent_out(model, x)

    ours = with_denoiser(model, latent, stage, sigmas)
    conditioning = [[context, {}]]
    theirs = comfy.samplers.sample(
        model, torch.ones_like(latent), conditioning, conditioning, 1.0, "cpu", comfy.samplers.sampler_object("euler"),
        sigmas, latent_image=latent, seed=0,
    )  # fmt: skip
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_noise_at_sigma_zero_is_finite(model, latent, context, sigmas):
    def stage(denoise, x):
        return denoise(x, 0.0, context), denoise(x, model.model.model_sampling.sigma_min, context)

    at_zero, at_least = with_denoiser(model, latent, stage, sigmas)
    assert torch.isfinite(at_zero).all() and torch.equal(at_zero, at_least)


def test_latent_makes_the_round_trip_through_model_space(model, latent, sigmas):
    seen = with_denoiser(model, latent, lambda denoise, x: x, sigmas)
    torch.testing.assert_close(seen, latent * 0.18215)
    torch.testing.assert_close(to_latent_out(model, seen), latent)


def test_latent_of_other_channels_is_refused(model, context, sigmas):
    with pytest.raises(ValueError, match=r"\[B,4,h,w\].*\(1, 16, 16, 16\)"):
        evaluate(model, torch.zeros(1, 16, 16, 16), context, sigmas)


def test_rows_must_match(model, latent, context, sigmas):
    with pytest.raises(ValueError, match="context row for each of 2"):
        evaluate(model, latent, context, sigmas, rows=2)


def test_lora_is_in_effect_with_and_without_gradients(model, latent, context, sigmas, executor):
    plain = evaluate(model, latent, context, sigmas)
    patched = model.clone()
    change = 0.5 * torch.ones_like(model.model.state_dict()[KEY])
    assert patched.add_patches({KEY: ("diff", (change,))})
    with_lora = evaluate(patched, latent, context, sigmas)
    assert not torch.allclose(plain, with_lora, atol=1e-3)
    torch.testing.assert_close(evaluate(patched, latent, context, sigmas, gradients=True), with_lora)
    assert torch.equal(evaluate(model, latent, context, sigmas), plain)


@pytest.mark.parametrize(("dtype", "cast"), [(torch.float32, False), (torch.float16, True), (torch.float16, False)])
def test_stock_sampler_is_bit_identical_before_and_after(dtype, cast, latent, context, sigmas, executor):
    model = tiny_model(dtype=dtype, cast=cast)
    before = sample(model, latent, context)
    layers = []

    def control(layer, q, k, v, attend):
        layers.append(layer)
        return 2 * attend(q, k, v)

    def stage(denoise, x):
        embedding = context.clone().requires_grad_()
        denoise(x, 1.0, embedding, control).square().sum().backward()
        return embedding.grad

    assert with_denoiser(model, latent, stage, sigmas, gradients=True).abs().sum() > 0
    assert len(layers) == 2 * LAYERS
    assert torch.equal(sample(model, latent, context), before)


def test_lora_of_another_clone_is_not_in_the_private_copy(model, latent, context, sigmas, executor):
    first, second = model.clone(), model.clone()
    first.add_patches({KEY: ("diff", (torch.ones(64, CONTEXT_DIM),))})
    second.add_patches({KEY: ("diff", (-torch.ones(64, CONTEXT_DIM),))})
    expected = evaluate(second, latent, context, sigmas)
    evaluate(first, latent, context, sigmas)
    torch.testing.assert_close(evaluate(second, latent, context, sigmas, gradients=True), expected)


class Cancelled(BaseException):
    pass


@pytest.mark.parametrize("gradients", [False, True])
@pytest.mark.parametrize("where", ["stage", "control"])
def test_cancelling_leaves_the_model_clean(model, latent, context, sigmas, gradients, where, executor):
    before = sample(model, latent, context)
    options = repr(model.model_options)

    def control(*_):
        raise Cancelled

    def stage(denoise, x):
        denoise(x, 1.0, context, control if where == "control" else None)
        raise Cancelled

    with pytest.raises(Cancelled):
        with_denoiser(model, latent, stage, sigmas, gradients=gradients)
    assert repr(model.model_options) == options and model.model.current_patcher is None
    assert torch.equal(sample(model, latent, context), before)


def test_batch_of_two_is_two_single_images(model, context, sigmas):
    latents = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(9))
    contexts = torch.cat([context, -context])
    both = evaluate(model, latents, contexts, sigmas)
    for row in range(2):
        single = evaluate(model, latents[row : row + 1], contexts[row : row + 1], sigmas)
        torch.testing.assert_close(both[row : row + 1], single, rtol=1e-4, atol=1e-5)


def test_conditioning_applies_its_extras_and_not_its_text(model, latent, context, sigmas):
    plain = evaluate(model, latent, context, sigmas)
    text_only = evaluate(model, latent, context, sigmas, conditioning=[[-context, {"pooled_output": None}]])
    assert torch.equal(text_only, plain)
    control = ReadingControl()
    for gradients in (False, True):
        with_control = evaluate(
            model, latent, context, sigmas, conditioning=[[-context, {"control": control}]], gradients=gradients
        )
        assert not torch.allclose(with_control, plain, atol=1e-3)
    assert control.contexts and all(torch.equal(seen, context) for seen in control.contexts)
    assert control.cleaned == 2


def test_gradients_flow_beside_controlnets_and_masks(model, latent, context, sigmas, executor):
    mask = torch.ones(1, 16, 16)
    assert mask.is_inference()
    conditioning = [[context, {"control": ReadingControl(), "mask": mask, "mask_strength": 0.5}]]

    def stage(denoise, x):
        leaf = context.clone().requires_grad_()
        return torch.autograd.grad(denoise(x, 1.0, leaf).sum(), leaf)[0]

    gradient = with_denoiser(model, latent, stage, sigmas, conditioning=conditioning, gradients=True)
    assert gradient.abs().sum() > 0


def test_gradients_beside_a_controlnet_match_finite_differences(model, latent, context, sigmas, executor):
    """A ControlNet's outputs are added to skips, which the blocks below keep for the backward pass."""
    direction = torch.randn(latent.shape, generator=torch.Generator().manual_seed(4))

    def stage(denoise, x):
        def loss(value):
            return denoise(value, 1.0, context).double().square().mean()

        leaf = x.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(loss(leaf), leaf)
        step = 1e-2
        with torch.no_grad():
            numeric = (loss(x + step * direction) - loss(x - step * direction)) / (2 * step)
        return float((gradient * direction).sum()), float(numeric)

    conditioning = [[context, {"control": ReadingControl()}]]
    analytic, numeric = with_denoiser(model, latent, stage, sigmas, conditioning=conditioning, gradients=True)
    assert analytic == pytest.approx(numeric, rel=2e-2)


def test_controlnet_is_cleaned_when_the_stage_raises(model, latent, sigmas):
    control = ReadingControl()

    def stage(denoise, x):
        raise Cancelled

    with pytest.raises(Cancelled):
        with_denoiser(model, latent, stage, sigmas, conditioning=[[None, {"control": control}]])
    assert control.cleaned == 1


def test_conditioning_outside_its_range_leaves_the_text_alone(model, latent, context, sigmas):
    late = [[context, {"control": ReadingControl(), "start_percent": 0.9, "end_percent": 1.0}]]
    plain = evaluate(model, latent, context, sigmas)
    assert torch.equal(evaluate(model, latent, context, sigmas, conditioning=late), plain)


def test_hooked_lora_applies_to_the_stage_only(latent, context, sigmas, executor):
    model = tiny_model()
    plain = evaluate(model, latent, context, sigmas)
    hook = comfy.hooks.WeightHook()
    hook.weights, hook.need_weight_init = {KEY: ("diff", (0.5 * torch.ones(64, CONTEXT_DIM),))}, False
    hooks = comfy.hooks.HookGroup()
    hooks.add(hook)
    hooked = [evaluate(model, latent, context, sigmas, conditioning=[[context, {"hooks": hooks}]], gradients=gradients)
              for gradients in (False, True)]  # fmt: skip
    assert not torch.allclose(hooked[0], plain, atol=1e-3)
    torch.testing.assert_close(*hooked)
    assert torch.equal(evaluate(model, latent, context, sigmas), plain)


class ReadingControl(FakeControl):
    """Gives out what the contexts say, and keeps them."""

    def __init__(self):
        super().__init__()
        self.contexts, self.weight = [], torch.ones(1, 64, 1, 1)

    def get_control(self, x_noisy, t, cond, batched_number, transformer_options):
        self.contexts.append(cond["c_crossattn"])
        added = self.weight * cond["c_crossattn"].square().mean()
        return {"middle": [added], "output": [None, added], "input": []}
