import contextlib
import gc
import weakref

import comfy.model_management
import comfy.model_patcher
import pytest
import torch
from tiny_models import tiny_model, tiny_vae

from diff_harmonization.host.sampling.denoiser import with_denoiser
from diff_harmonization.host.sampling.gradients import differentiable, engine_boundary, owned, private_copy
from diff_harmonization.methods.zero_shot.types import Trajectory


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("prediction", ["EPS", "V_PREDICTION"])
@pytest.mark.parametrize(("dtype", "cast"), [(torch.float32, False), (torch.float16, True), (torch.float16, False)])
def test_gradient_of_the_context_matches_finite_differences(
    version, prediction, dtype, cast, latent, context, sigmas, executor
):
    model = tiny_model(version, prediction, dtype, cast=cast)
    inference_latent = latent + 0  # as it comes from another node
    assert inference_latent.is_inference() and next(model.model.parameters()).is_inference()
    direction = torch.randn(context.shape, generator=torch.Generator().manual_seed(4))

    def stage(denoise, x):
        def loss(embedding):
            return denoise(x, 1.0, embedding).double().square().mean()

        leaf = context.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(loss(leaf), leaf)
        step = 1e-2
        with torch.no_grad():
            numeric = (loss(leaf + step * direction) - loss(leaf - step * direction)) / (2 * step)
        return float((gradient * direction).sum()), float(numeric)

    analytic, numeric = with_denoiser(model, inference_latent, stage, sigmas, gradients=True)
    assert analytic == pytest.approx(numeric, rel=2e-2)


def test_gradient_reaches_the_latent(model, latent, context, sigmas, executor):
    def stage(denoise, x):
        x = x.clone().requires_grad_()
        return torch.autograd.grad(denoise(x, 1.0, context).sum(), x)[0]

    assert with_denoiser(model, latent, stage, sigmas, gradients=True).abs().sum() > 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_shared_weights_stay_as_they_were(dtype, executor):
    model = tiny_model(dtype=dtype)
    key = "diffusion_model.middle_block.1.transformer_blocks.0.attn2.to_k.weight"
    model.add_patches({key: ("diff", (torch.ones(64, 64),))})
    before = {name: weight.clone() for name, weight in model.model.state_dict().items()}
    with engine_boundary(), differentiable(model) as private:
        comfy.model_management.load_models_gpu([private], force_full_load=True)
        assert not torch.equal(private.model.state_dict()[key], before[key])
    assert not [x for x in comfy.model_management.current_loaded_models if x.model is private]
    after = model.model.state_dict()
    assert all(torch.equal(after[name], before[name]) and after[name].dtype == before[name].dtype for name in before)
    assert model.model.manual_cast_dtype == (None if dtype == torch.float32 else torch.float32)


@pytest.mark.parametrize("raises", [False, True])
def test_private_copy_is_freed(model, raises, executor):
    with contextlib.suppress(KeyError), engine_boundary(), differentiable(model) as private:
        copy = weakref.ref(private.model)
        assert private.model is not model.model
        comfy.model_management.load_models_gpu([private], force_full_load=True)
        if raises:
            raise KeyError
    del private
    gc.collect()
    assert copy() is None


def test_factory_reloads_only_dynamic_models(model, executor):
    """The loader's own copy is taken where the host manages memory dynamically; else the weights are copied."""
    calls = []

    def load(disable_dynamic=False):
        calls.append(disable_dynamic)
        return tiny_model(inference=False)

    class Dynamic(comfy.model_patcher.ModelPatcher):
        def is_dynamic(self):
            return type(self) is Dynamic

    dynamic = Dynamic(model.model, model.load_device, model.offload_device)
    dynamic.cached_patcher_init = model.cached_patcher_init = (load, ())
    for patcher, expected in ((model, []), (dynamic, [True])):
        with engine_boundary(), differentiable(patcher) as private:
            assert calls == expected and not private.is_dynamic()
            assert not next(private.model.parameters()).is_inference()


@pytest.mark.parametrize("dynamic", [False, True])
def test_a_private_copy_is_never_the_shared_one(dynamic, executor):
    """Whatever the precision: its modules may be altered, its weights stay float32 when they are loaded."""

    class Dynamic(comfy.model_patcher.ModelPatcher):
        def is_dynamic(self):
            return dynamic and type(self) is Dynamic

    shared = tiny_vae(torch.bfloat16).patcher
    patcher = Dynamic(shared.model, shared.load_device, shared.offload_device)
    patcher.cached_patcher_init = (lambda disable_dynamic=False: tiny_vae(torch.bfloat16).patcher, ())
    with engine_boundary(), private_copy(patcher) as private:
        copy = weakref.ref(private.model)
        assert private.model is not patcher.model and not private.is_dynamic()
        comfy.model_management.load_models_gpu([private], force_full_load=True)
        assert {w.dtype for w in private.model.parameters()} == {torch.float32}
        assert not any(w.requires_grad or w.is_inference() for w in private.model.parameters())
        pairs = zip(private.model.parameters(), patcher.model.parameters(), strict=True)
        assert all(torch.equal(a, b.clone().float()) for a, b in pairs)
    del private
    gc.collect()
    assert copy() is None and {w.dtype for w in patcher.model.parameters()} == {torch.bfloat16}


@pytest.mark.parametrize("function", [differentiable, private_copy])
def test_boundary_is_required(function, model, executor):
    with pytest.raises(RuntimeError, match=f"{function.__name__}.. needs engine_boundary"), function(model):
        pass


def test_owned_clones_what_autograd_refuses(executor):
    outside = torch.ones(2)
    path = Trajectory(torch.ones(2, 1, 3, 4, 4), torch.tensor([1.0, 0.0]))
    nested = [[outside, {"mask": outside, "name": "x", "pair": (outside, 1), "path": path}]]
    with engine_boundary():
        inside = owned(nested)
        tensors = [inside[0][0], inside[0][1]["mask"], inside[0][1]["pair"][0], inside[0][1]["path"].latents]
        assert not any(tensor.is_inference() for tensor in tensors)
    assert inside[0][1]["name"] == "x" and inside[0][1]["pair"][1] == 1


def test_what_comes_in_can_be_saved_for_backward(model, context, sigmas, executor):
    empty = torch.zeros(1, 4, 16, 16)  # the host hands an empty latent on as it is
    assert empty.is_inference()

    def stage(denoise, x):
        leaf = context.clone().requires_grad_()
        return torch.autograd.grad((x * denoise(x, 1.0, leaf)).sum(), leaf)[0]

    assert torch.isfinite(with_denoiser(model, empty, stage, sigmas, gradients=True)).all()
