"""What precedes the first text is computed once for equal rows; the plain way computes it for every row."""

from collections import Counter

import comfy.hooks
import pytest
import torch
from controls import FakeControl
from tiny_models import SDXL, SDXL_CONTEXT, tiny_model

from diff_harmonization.attention.maps import record_maps
from diff_harmonization.attention.sharing import ShareAttention
from diff_harmonization.host.sampling.denoiser import with_denoiser
from diff_harmonization.host.sampling.shared_rows import before_the_text, shared_rows
from diff_harmonization.methods.zero_shot.contexts import PooledContext

GRID = (8, 8)  # of the tiny UNet's second level


def plain(model):
    """The same MODEL, whose rows share nothing: another node's option stands on it."""
    model = model.clone()
    model.model_options["transformer_options"]["another"] = True
    return model


def difference(found, expected):
    """The largest, relative to the largest number."""
    return float((found - expected).abs().max() / expected.abs().max())


def evaluations(contexts):
    """As optimizers make them: with and without gradients, of one row and of three, of two latents and noise levels."""

    def stage(denoise, x):
        found = []
        for latent, sigma in ((x, 1.0), (x, 0.5), (x + 0.1, 0.5), (x, 1.0)):
            rows = latent.expand(3, -1, -1, -1)
            with torch.no_grad():
                found.append(denoise(latent, sigma, contexts[:1]))
            found.append(denoise(rows, sigma, contexts))
            found.append(denoise(torch.cat([latent, latent, latent + 1]), sigma, contexts))
            found.append(denoise(rows, sigma, contexts, ShareAttention([2], [1], cross=True, self_=True)))
        return torch.cat(found)

    return stage


@pytest.fixture
def contexts(context):
    return torch.cat([context, -context, 2 * context])


@pytest.mark.parametrize(("dtype", "close"), [(torch.float32, 5e-6), (torch.float16, 2e-3), (torch.bfloat16, 2e-2)])
@pytest.mark.parametrize("gradients", [False, True])
def test_all_evaluations_equal_the_plain_ones(dtype, close, gradients, latent, contexts, sigmas, executor):
    model = tiny_model(dtype=dtype, cast=dtype != torch.float32 or gradients)
    plainly, shared = (
        with_denoiser(m, latent, evaluations(contexts), sigmas, gradients=gradients) for m in (plain(model), model)
    )
    close = 5e-6 if gradients else close  # a stage with gradients computes in float32
    assert difference(shared, plainly) <= close


@pytest.mark.parametrize("pooled", ["the same", "of its own"])
def test_sdxls_rows_share_no_more_than_their_pooled_texts_allow(pooled, latent, sigmas, executor):
    model = tiny_model(SDXL)
    rows = torch.randn(3, 77, SDXL_CONTEXT, generator=torch.Generator().manual_seed(3))
    texts = torch.randn(3, 64, generator=torch.Generator().manual_seed(4))
    contexts = PooledContext(rows, texts[:1].expand(3, -1) if pooled == "the same" else texts)
    plainly, shared = (with_denoiser(m, latent, evaluations(contexts), sigmas) for m in (plain(model), model))
    assert difference(shared, plainly) <= 1e-5


def test_gradients_equal_the_plain_ones(model, latent, contexts, sigmas, executor):
    def stage(denoise, x):
        found = []
        for _ in range(2):
            context = contexts[:2].clone().requires_grad_()
            maps, last = record_maps(denoise, x.expand(2, -1, -1, -1), 1.0, context, GRID)
            eps = denoise(x.expand(2, -1, -1, -1), 1.0, context)
            found.append(torch.autograd.grad(maps.square().sum() + eps.square().sum(), context)[0])
        return torch.cat(found)

    plainly, shared = (with_denoiser(m, latent, stage, sigmas, gradients=True) for m in (plain(model), model))
    assert difference(shared, plainly) <= 1e-5


def test_gradients_to_the_latent_stay(model, latent, context, sigmas, executor):
    def stage(denoise, x):
        denoise(x, 1.0, context)  # whose rows must not serve
        x = x.clone().requires_grad_()
        return torch.autograd.grad(denoise(x, 1.0, context).square().sum(), x)[0]

    plainly, shared = (with_denoiser(m, latent, stage, sigmas, gradients=True) for m in (plain(model), model))
    assert plainly.abs().sum() > 0 and difference(shared, plainly) <= 1e-5


class RowControl(FakeControl):
    """Adds to the UNet's first output what the row's own text says."""

    def get_control(self, x_noisy, t, cond, batched_number, transformer_options):
        said = cond["c_crossattn"].square().mean((1, 2))[:, None, None, None]
        return {"input": [said.expand(-1, 32, *x_noisy.shape[-2:])], "middle": [], "output": []}


def test_a_controlnet_that_tells_rows_apart_is_heeded(model, latent, contexts, sigmas, executor):
    conditioning = [[contexts[:1], {"control": RowControl()}]]
    plainly, shared = (
        with_denoiser(m, latent, evaluations(contexts), sigmas, conditioning) for m in (plain(model), model)
    )
    without = with_denoiser(model, latent, evaluations(contexts), sigmas)
    assert difference(shared, plainly) <= 1e-5
    assert not torch.allclose(without, shared, atol=1e-3)


@pytest.fixture
def rows():
    """Counts the rows that a model's modules compute, by their number in the order before the text."""
    counted, handles = Counter(), []

    def watch(model):
        for number, module in enumerate(before_the_text(model.model.diffusion_model)):
            inside = getattr(module, "in_layers", getattr(module, "to_q", None))
            hook = inside.register_forward_pre_hook(lambda _, args, n=number: counted.update({n: len(args[0])}))
            handles.append(hook)
        return counted

    yield watch
    for handle in handles:
        handle.remove()


def test_no_row_is_computed_twice_at_a_noise_level(model, latent, contexts, sigmas, rows, executor):
    counted = rows(model)

    def stage(denoise, x):
        for sigma in (1.0, 0.5):
            denoise(x.expand(2, -1, -1, -1), sigma, contexts[:2])
            denoise(x.expand(2, -1, -1, -1), sigma, contexts[1:])
            denoise(torch.cat([x, x + 1]), sigma, contexts[:2])

    with_denoiser(model, latent, stage, sigmas)
    assert counted == {0: 4, 1: 4}  # two latents at two noise levels
    with_denoiser(plain(model), latent, stage, sigmas)
    assert counted == {0: 4 + 12, 1: 4 + 12}  # and all of them


def test_weights_that_hooks_change_are_not_relied_on(model, latent, contexts, sigmas, rows, executor):
    counted = rows(model)
    hooked = [[contexts[:1], {"hooks": comfy.hooks.HookGroup()}]]
    with_denoiser(model, latent, lambda denoise, x: [denoise(x, 1.0, contexts[:1]) for _ in range(2)], sigmas, hooked)
    assert counted == {0: 2, 1: 2}


def test_nothing_stays_on_the_model(model, latent, contexts, sigmas, executor):
    unet = model.model.diffusion_model
    with pytest.raises(ZeroDivisionError), shared_rows(unet):
        assert any(m._forward_hooks for m in unet.modules())
        raise ZeroDivisionError
    with_denoiser(model, latent, evaluations(contexts), sigmas)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in unet.modules())


def test_what_comes_before_the_text():
    names = [[type(x).__name__ for x in before_the_text(tiny_model(v).model.diffusion_model)] for v in (1, 2, SDXL)]
    assert names[0] == names[1] == ["ResBlock", "CrossAttention"]
    assert names[2] == ["ResBlock", "Downsample", "ResBlock", "CrossAttention"]
