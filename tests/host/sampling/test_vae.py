import gc
import logging
import weakref

import comfy.model_management
import pytest
import torch
from tiny_models import pixel_vae, tiny_model, tiny_taesd, tiny_vae

from diff_harmonization.host.sampling import saved
from diff_harmonization.host.sampling.gradients import engine_boundary
from diff_harmonization.host.sampling.vae import (
    decoding_memory,
    differentiable_decoder,
    encoded_frame,
    recompute_blocks,
    require_vae_of,
)

KINDS = {"kl": tiny_vae, "taesd": tiny_taesd}


@pytest.fixture(params=KINDS)
def vae(request):
    return KINDS[request.param]()


def decoded(vae, model, latent):
    """By the private decoder, from model space."""
    with engine_boundary(), differentiable_decoder(vae, model) as (decode, beside):
        comfy.model_management.load_models_gpu(beside.get_additional_models(), force_full_load=True)
        return decode(latent.clone()).detach()


@pytest.mark.parametrize(
    ("kind", "dtype", "side"), [("kl", torch.float32, 16), ("taesd", torch.float32, 16), ("kl", torch.bfloat16, 2)]
)
def test_decodes_as_the_host_does_but_for_the_clamp(kind, dtype, side, model, latent, executor):
    vae, latent = KINDS[kind](dtype), latent[..., :side, :side]
    expected = vae.decode(model.model.process_latent_out(latent)).movedim(-1, 1).float()
    ours = decoded(vae, model, latent)
    tolerance = 1e-4 if dtype == torch.float32 else 0.05
    assert ours.shape == expected.shape == (1, 3, 8 * side, 8 * side) and ours.dtype == torch.float32
    assert (ours.clamp(0, 1) - expected).abs().mean() < tolerance
    assert ours.max() > 1.001 or ours.min() < -0.001


def test_pixels_are_the_embedded_models_latents(executor):
    model, image = tiny_model(), torch.rand(1, 3, 9, 7, generator=torch.Generator().manual_seed(0))
    latent = model.model.process_latent_in(2 * image - 1)
    torch.testing.assert_close(decoded(pixel_vae(), model, latent), image)


def test_gradient_matches_finite_differences(vae, model, latent, executor):
    small = latent[..., :4, :4] + 0
    generator = torch.Generator().manual_seed(1)
    direction, weights = (torch.randn(shape, generator=generator) for shape in (small.shape, (1, 3, 32, 32)))
    with engine_boundary(), differentiable_decoder(vae, model) as (decode, beside):
        comfy.model_management.load_models_gpu(beside.get_additional_models(), force_full_load=True)
        small, direction, weights = small.clone(), direction.clone(), weights.clone()

        def value(amount):
            return (decode(small + amount * direction) * weights).double().sum()

        amount = torch.zeros((), requires_grad=True)
        (gradient,) = torch.autograd.grad(value(amount), amount)
        step = 2e-3
        with torch.no_grad():
            numeric = (value(step) - value(-step)) / (2 * step)
    assert float(gradient) == pytest.approx(float(numeric), rel=2e-2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_shared_vae_stays_as_it_was(dtype, model, latent, executor):
    vae = tiny_vae(dtype)
    samples = latent[..., :2, :2].clone()
    before, weights = vae.decode(samples), {name: w.clone() for name, w in vae.first_stage_model.state_dict().items()}
    with engine_boundary(), differentiable_decoder(vae, model) as (decode, beside):
        comfy.model_management.load_models_gpu(beside.get_additional_models(), force_full_load=True)
        recompute_blocks(decode.network)
        leaf = torch.zeros(1, 4, 2, 2, requires_grad=True)
        decode(leaf).sum().backward()
    after = vae.first_stage_model.state_dict()
    assert all(torch.equal(after[name], w) and after[name].dtype == w.dtype for name, w in weights.items())
    assert torch.equal(vae.decode(samples), before)
    assert model.get_additional_models() == []


def test_the_private_copy_is_freed(vae, model, executor):
    with engine_boundary(), differentiable_decoder(vae, model) as (decode, beside):
        comfy.model_management.load_models_gpu(beside.get_additional_models(), force_full_load=True)
        copy = weakref.ref(decode.network)
    del decode, beside
    gc.collect()
    assert copy() is None


def saved_bytes(work, network):
    """What autograd keeps of a forward pass beside the weights, and the pass's result."""
    kept, weights = {}, {w.data_ptr() for w in network.parameters()}

    def pack(tensor):
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = work()
    return sum(storage.nbytes() for key, storage in kept.items() if key not in weights), result


def test_recomputing_saves_memory_and_changes_no_gradient(vae, model, executor):
    kept, gradients = [], []
    with engine_boundary(), differentiable_decoder(vae, model) as (decode, beside):
        comfy.model_management.load_models_gpu(beside.get_additional_models(), force_full_load=True)
        latent = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(2))
        for recompute in (False, True):
            if recompute:
                recompute_blocks(decode.network)
            leaf = latent.clone().requires_grad_()
            size, picture = saved_bytes(lambda leaf=leaf: decode(leaf), decode.network)
            kept.append(size)
            gradients.append(torch.autograd.grad(picture.square().sum(), leaf)[0])
    assert torch.equal(*gradients)
    assert kept[1] < 0.6 * kept[0]


def test_inputs_that_went_to_the_cpu_change_no_gradient(vae, model, executor, monkeypatch):
    """As on a card without room: all that the blocks keep goes away until its turn."""
    monkeypatch.setattr(saved, "SMALL", 0)
    moved, gradients = [], []
    with engine_boundary(), differentiable_decoder(vae, model) as (decode, beside):
        comfy.model_management.load_models_gpu(beside.get_additional_models(), force_full_load=True)
        recompute_blocks(decode.network)
        latent = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(2))
        for scarce in (False, True):
            monkeypatch.setattr(saved, "_is_scarce", lambda *_, scarce=scarce: moved.append(scarce) or scarce)
            leaf = latent.clone().requires_grad_()
            with saved.sparing():
                picture = decode(leaf)
            gradients.append(torch.autograd.grad(picture.square().sum(), leaf)[0])
    assert torch.equal(*gradients) and sum(moved) > 10


def test_decoding_memory_is_the_hosts_estimate(executor):
    kl, shape = tiny_vae(), (1, 4, 64, 64)
    assert decoding_memory(kl, shape) == int(kl.memory_used_decode(shape, torch.float32)) > 1 << 30


@pytest.mark.parametrize("free", [1e12, 1.0])
def test_recomputes_where_memory_is_short(vae, model, executor, monkeypatch, caplog, free):
    monkeypatch.setattr(comfy.model_management, "get_free_memory", lambda *_, **__: free)
    with caplog.at_level(logging.INFO), engine_boundary(), differentiable_decoder(vae, model) as (decode, beside):
        comfy.model_management.load_models_gpu(beside.get_additional_models(), force_full_load=True)
        decode(torch.zeros(1, 4, 4, 4))
    assert ("computed again" in caplog.text) == (free == 1.0)


def test_the_frame_is_what_the_host_encodes(vae, executor):
    image = torch.rand(1, 45, 37, 3, generator=torch.Generator().manual_seed(3))
    frame = encoded_frame(vae, image)
    assert frame.shape == (1, 40, 32, 3)
    assert torch.equal(vae.encode(frame), vae.encode(image))


def test_a_vae_of_other_latents_is_refused(vae):
    require_vae_of(vae, (1, 4, 8, 8))
    with pytest.raises(ValueError, match="^`vae`: got .* latents of 4 channels.* has 3"):
        require_vae_of(vae, (1, 3, 64, 64))
