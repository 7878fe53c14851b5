import logging
from collections import Counter

import pytest
import torch
from comfy.ldm.modules import attention as host_attention
from tiny_models import LAYERS, tiny_model

from diff_harmonization.attention.maps import map_grid, record_maps
from diff_harmonization.attention.sharing import ShareAttention
from diff_harmonization.host.sampling.attention import ControlledAttention, plain_attention
from diff_harmonization.host.sampling.denoiser import with_denoiser


def passing(layer, q, k, v, attend):
    return attend(q, k, v)


def test_control_sees_every_layer_with_its_place(model, latent, context, sigmas):
    seen = []

    def control(layer, q, k, v, attend):
        seen.append((layer, q.shape, k.shape))
        return attend(q, k, v)

    with_denoiser(model, latent, lambda denoise, x: denoise(x, 1.0, context, control), sigmas)
    layers = [layer for layer, _, _ in seen]
    assert Counter((layer.kind, layer.place) for layer in layers) == {
        (kind, place): count
        for kind in ("self", "cross")
        for place, count in (("input", 2), ("middle", 1), ("output", 4))
    }
    assert [layer.index for layer in layers] == [i for i in range(LAYERS) for _ in range(2)]
    assert [layer.heads for layer in layers[:4]] == [2, 2, 4, 4]
    assert {k.numel() for layer, _, k in seen if layer.kind == "cross"} == {77 * 32, 77 * 64}
    assert {q[1] for _, q, _ in seen} == {256, 64}


@pytest.mark.parametrize("gradients", [False, True])
def test_control_that_only_attends_changes_nothing(model, latent, context, sigmas, gradients):
    def stage(denoise, x):
        return denoise(x, 1.0, context), denoise(x, 1.0, context, passing), denoise(x, 1.0, context)

    before, controlled, after = with_denoiser(model, latent, stage, sigmas, gradients=gradients)
    assert torch.equal(before, controlled) and torch.equal(before, after)


def test_shared_attention_reaches_the_picture(model, latent, context, sigmas):
    contexts = torch.cat([context, -context])

    def stage(denoise, x):
        rows = x.repeat(2, 1, 1, 1)
        shared = denoise(rows, 1.0, contexts, ShareAttention([0], [1], cross=True, self_=True))
        return denoise(rows, 1.0, contexts), shared

    plain, shared = with_denoiser(model, latent, stage, sigmas)
    torch.testing.assert_close(shared[0], plain[0], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(shared[1], plain[1], atol=1e-3)


def test_maps_are_recorded_and_the_rest_is_skipped(latent, context, sigmas, executor):
    calls = Counter()
    model = tiny_model()
    model.set_model_output_block_patch(lambda h, skip, options: (calls.update(["output"]), (h, skip))[1])

    def stage(denoise, x):
        embedding = context.clone().requires_grad_()
        grid = (8, 8)  # this UNet's coarsest
        maps, last = record_maps(denoise, x, 1.0, embedding, grid)
        full = calls["output"]
        again, _ = record_maps(denoise, x, 1.0, embedding, grid, last_layer=last)
        (gradient,) = torch.autograd.grad(again[0, 5].sum(), embedding)
        return maps.detach(), again.detach(), gradient, full, calls["output"] - full, denoise(x, 1.0, context)

    maps, again, gradient, full, stopped, eps = with_denoiser(model, latent, stage, sigmas, gradients=True)
    torch.testing.assert_close(maps, again)
    torch.testing.assert_close(maps.sum(1), torch.ones(1, 8, 8))
    assert gradient.abs().sum() > 0 and torch.isfinite(eps).all()
    assert stopped < full
    assert map_grid(64, 64) == (16, 16)


def test_another_packs_patch_is_set_aside_with_a_warning(latent, context, sigmas, caplog):
    model = tiny_model()
    model.set_model_attn2_replace(lambda q, k, v, options: torch.zeros_like(q), "middle", 0)

    def stage(denoise, x):
        return denoise(x, 1.0, context), denoise(x, 1.0, context, passing)

    with caplog.at_level(logging.WARNING):
        theirs, ours = with_denoiser(model, latent, stage, sigmas)
    assert "attn2 of middle 0" in caplog.text
    plain = with_denoiser(tiny_model(), latent, lambda denoise, x: denoise(x, 1.0, context), sigmas)
    assert torch.equal(ours, plain) and not torch.allclose(theirs, plain, atol=1e-3)


def test_attending_is_the_hosts_own(latent, context, sigmas):
    """Its kernel, precision (SD2 asks for float32) and another pack's override of the kernel."""
    seen = []
    kernel = host_attention.optimized_attention

    def override(function, *args, **kwargs):
        seen.append((function, kwargs["attn_precision"]))
        return function(*args, **kwargs)

    model = tiny_model()
    model.model_options["transformer_options"]["optimized_attention_override"] = override
    with_denoiser(model, latent, lambda denoise, x: denoise(x, 1.0, context, passing), sigmas)
    assert len(seen) == 2 * LAYERS and {precision for _, precision in seen} == {torch.float32}
    assert {function.__name__ for function, _ in seen} == {kernel.__name__}
    seen.clear()
    with_denoiser(model, latent, lambda denoise, x: denoise(x, 1.0, context), sigmas, gradients=True)
    assert not seen


def test_a_cpu_attends_with_pytorchs_kernel_unless_another_was_chosen(model, latent, context, sigmas, monkeypatch):
    """The plain way is the host's own kernel for a CPU."""
    used, kernel = Counter(), host_attention.attention_pytorch
    counting = lambda *args, **kwargs: (used.update(["pytorch"]), kernel(*args, **kwargs))[1]  # noqa: E731
    monkeypatch.setattr(host_attention, "attention_pytorch", counting)
    monkeypatch.setattr(host_attention, "optimized_attention", host_attention.attention_sub_quad)

    def evaluated():
        used.clear()
        return with_denoiser(model, latent, lambda denoise, x: denoise(x, 1.0, context), sigmas)

    quick = evaluated()
    assert used == {"pytorch": 2 * LAYERS}
    monkeypatch.setattr(host_attention.args, "use_quad_cross_attention", True)
    plain = evaluated()
    assert not used
    assert float((quick - plain).abs().max()) <= 1e-6
    assert plain_attention({}, torch.device("cuda"))["transformer_options"].keys() == {"optimized_attention_override"}


def test_only_the_layers_that_a_control_names_ask_it(model, latent, context, sigmas):
    asked = Counter()

    class Cross:
        kinds = ("cross",)

        def __call__(self, layer, q, k, v, attend):
            asked[layer.kind] += 1
            return attend(q, k, v)

    with_denoiser(model, latent, lambda denoise, x: denoise(x, 1.0, context, Cross()), sigmas)
    assert asked == {"cross": LAYERS}


def test_no_layer_to_patch_is_an_error():
    unet = tiny_model().model.diffusion_model
    for name in ("input_blocks", "output_blocks"):
        setattr(unet, name, torch.nn.ModuleList())
    unet.middle_block = None
    with pytest.raises(ValueError, match="^`unet`: no attention layer"):
        ControlledAttention(unet, {}, gradients=False)
