"""The same gradients from less memory: casts of weights made again, activations on the CPU."""

import contextlib

import pytest
import torch
from tiny_models import tiny_clip, tiny_model
from torch.autograd.graph import saved_tensors_hooks

from diff_harmonization.attention.maps import record_maps
from diff_harmonization.host.sampling import denoiser, saved
from diff_harmonization.host.sampling.denoiser import with_denoiser
from diff_harmonization.host.sampling.gradients import differentiable, engine_boundary
from diff_harmonization.host.sampling.text import ClipEncoder


def gradient(model, latent, context, sigmas, maps=False):
    """Of one evaluation, and the bytes that autograd kept for it, each storage once."""
    kept = {}

    def stage(denoise, x):
        leaf = context.clone().requires_grad_()
        if maps:
            out = record_maps(denoise, x, 1.0, leaf, (8, 8), last_layer=3)[0]
        else:
            out = denoise(x, 1.0, leaf)
        return torch.autograd.grad(out.square().mean(), leaf)[0]

    def count(pack, unpack):
        def counted(tensor):
            packed = pack(tensor)
            if isinstance(packed, torch.Tensor):
                kept[packed.untyped_storage().data_ptr()] = packed.untyped_storage().nbytes()
            return packed

        return saved_tensors_hooks(counted, unpack)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(saved, "saved_tensors_hooks", count)
        return with_denoiser(model, latent, stage, sigmas, gradients=True), sum(kept.values())


@contextlib.contextmanager
def plainly(reserve=0):
    """The plain way: autograd keeps all that it asks for, where it is."""
    with saved.saved_tensors_hooks(lambda kept: kept, lambda kept: kept):
        yield


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("maps", [False, True])
def test_casts_made_again_change_no_bit(version, dtype, maps, latent, context, sigmas, executor, monkeypatch):
    model = tiny_model(version, dtype=dtype)
    spared, less = gradient(model, latent, context, sigmas, maps)
    monkeypatch.setattr(denoiser, "sparing", plainly)
    plain, all_ = gradient(model, latent, context, sigmas, maps)
    assert torch.equal(spared, plain) and plain.abs().max() > 0
    assert less < 0.75 * all_


def test_no_cast_of_a_weight_is_kept(latent, context, sigmas, executor):
    """Of the matrices; what remains has the shapes of activations."""
    model = tiny_model(dtype=torch.float16)
    shapes = {tuple(w.shape) for w in model.model.diffusion_model.parameters() if w.ndim > 1}
    shapes |= {shape[::-1] for shape in shapes if len(shape) == 2}
    seen = []
    unpacked = saved._unpack

    def unpack(kept):
        seen.append(type(kept) is tuple)
        value = unpacked(kept)
        assert seen[-1] or tuple(value.shape) not in shapes
        return value

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(saved, "_unpack", unpack)
        gradient(model, latent, context, sigmas)
    assert sum(seen) > 50


def test_activations_on_the_cpu_change_no_bit(latent, context, sigmas, executor, monkeypatch):
    model = tiny_model(dtype=torch.float16)
    plain, _ = gradient(model, latent, context, sigmas)
    asked = []
    monkeypatch.setattr(saved, "SMALL", 1000)
    monkeypatch.setattr(saved, "_is_scarce", lambda device, reserve: asked.append(reserve) or True)
    moved, _ = gradient(model, latent, context, sigmas)
    assert torch.equal(moved, plain) and len(asked) > 50 and set(asked) == {saved.RESERVE}


def test_a_device_with_room_keeps_its_activations(monkeypatch):
    device = torch.device("cuda")
    for free, scarce in ((saved.RESERVE - 1, True), (saved.RESERVE, False)):
        monkeypatch.setattr(saved.management, "get_free_memory", lambda _, free=free: free)
        assert saved._is_scarce(device, saved.RESERVE) is scarce
    assert not saved._is_scarce(torch.device("cpu"), saved.RESERVE)


def test_a_patch_on_the_fly_is_part_of_the_cast(executor):
    """Such as a LoRA's on weights that stay low: the cast is not the weight's alone, so it is kept."""
    import comfy.ops

    with torch.inference_mode(False), torch.enable_grad():
        layer = comfy.ops.manual_cast.Linear(3, 2, dtype=torch.float16).requires_grad_(False)
        torch.nn.init.normal_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
        x = torch.randn(5, 3, requires_grad=True)
        with saved.sparing():
            plain = torch.autograd.grad(layer(x).sum(), x)[0]
            layer.weight_function = [lambda weight: 2 * weight]
            patched = torch.autograd.grad(layer(x).sum(), x)[0]
    assert torch.equal(patched, 2 * plain) and plain.abs().max() > 0


@pytest.mark.parametrize(("dtype", "spares"), [(torch.float32, False), (torch.float16, True)])
def test_hooks_run_only_where_they_save_something(dtype, spares, latent, context, sigmas, executor, monkeypatch):
    model, entered = tiny_model(dtype=dtype), []
    monkeypatch.setattr(denoiser, "sparing", lambda reserve: entered.append(1) or contextlib.nullcontext())
    gradient(model, latent, context, sigmas)
    assert bool(entered) is spares
    assert saved.can_spare(model.model.diffusion_model, torch.device("cuda"))


def test_nothing_stays_behind_when_an_evaluation_stops(executor):
    from torch.nn.modules import module as torch_module

    before = len(torch_module._global_forward_pre_hooks), len(torch_module._global_forward_hooks)
    with pytest.raises(KeyError), saved.sparing():
        raise KeyError
    assert before == (len(torch_module._global_forward_pre_hooks), len(torch_module._global_forward_hooks))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_text_encoder_is_in_float32_once(dtype, executor):
    """A real one is never without a float32 weight of its own, so it is copied anyway."""
    clip = tiny_clip(dtype=dtype)
    encoder = ClipEncoder(clip)
    prompt = encoder.tokenize("dog bright")
    expected = encoder.encode(prompt).clone()
    with encoder.gradients():
        weights = list(encoder.clip.cond_stage_model.parameters())
        assert {w.dtype for w in weights} == {torch.float32}
        known = {w.untyped_storage().data_ptr() for w in weights}
        shapes = {tuple(w.shape) for w in weights if w.ndim > 1}
        casts = []

        def note(kept):
            if tuple(kept.shape) in shapes and kept.untyped_storage().data_ptr() not in known:
                casts.append(kept.shape)
            return kept

        with saved_tensors_hooks(note, lambda kept: kept):
            torch.testing.assert_close(encoder.encode(prompt, encoder.embed(prompt).requires_grad_()), expected)
        assert not casts
    assert dtype in {w.dtype for w in clip.cond_stage_model.parameters()}


def test_shared_low_weights_stay_low(executor):
    """A UNet that the host casts in every operation is not copied at all."""
    model = tiny_model(dtype=torch.float16)
    with engine_boundary(), differentiable(model) as private:
        assert private.model is model.model
    assert {w.dtype for w in model.model.parameters()} == {torch.float16}


def test_memory_is_reserved_for_the_backward_pass(latent, sigmas, executor, monkeypatch):
    """So that the host makes room: without it, other models would stay on the card."""
    import comfy.model_management

    model, asked = tiny_model(), []
    load = comfy.model_management.load_models_gpu

    def note(*args, **kwargs):
        asked.append(kwargs.get("memory_required", 0))
        return load(*args, **kwargs)

    monkeypatch.setattr(comfy.model_management, "load_models_gpu", note)
    for gradients in (False, True):
        with_denoiser(model, latent, lambda denoise, x: None, sigmas, gradients=gradients)
    plain, trained = asked
    rows = denoiser.ROWS_WITH_GRADIENTS / (denoiser.ROWS_PER_IMAGE + 1)  # the host counts pairs of rows
    assert trained / plain == pytest.approx(rows) and rows > 4
