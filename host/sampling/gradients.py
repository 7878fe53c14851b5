"""Gradients inside a host that runs its nodes without them.

Nodes execute under `torch.inference_mode()`, and weights loaded there are inference tensors, which autograd
refuses. A stage that differentiates therefore works on a copy that nobody else holds, or, where weights are
cast in every operation anyway, on the shared weights computed in float32. A copy of quantized weights has plain ones.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, replace
from typing import Any

import comfy.model_management as management
import torch
from comfy.model_patcher import ModelPatcher
from comfy.quant_ops import QuantizedTensor
from torch import nn

from ..memory import ran_out


@contextmanager
def engine_boundary() -> Iterator[None]:
    """Leaves inference mode and allows gradients; open it once, around everything a stage computes."""
    with torch.inference_mode(False), torch.enable_grad():
        yield


def owned(value: Any) -> Any:
    """The value with every tensor that came from outside cloned, through dataclasses, dicts, lists and tuples."""
    if isinstance(value, torch.Tensor):
        return value.clone() if value.is_inference() else value
    if type(value) is dict:
        return {key: owned(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(owned(item) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{field.name: owned(getattr(value, field.name)) for field in fields(value)})
    return value


@contextmanager
def differentiable(patcher: ModelPatcher) -> Iterator[ModelPatcher]:
    """A patcher with the same patches whose weights autograd accepts, computed in float32; freed on leaving.

    Open `engine_boundary` first.
    """
    _require_boundary("differentiable")
    private = _private(patcher)
    if private.model is not patcher.model:
        private.model.requires_grad_(False)
    with _freed(private):
        yield private


@contextmanager
def private_copy(patcher: ModelPatcher) -> Iterator[ModelPatcher]:
    """A patcher with the same patches around float32 weights that nobody else holds; freed on leaving.

    For a model as small as a VAE; its modules may be altered. Open `engine_boundary` first.
    """
    _require_boundary("private_copy")
    private = _reload(patcher) or _deep_copy(patcher)
    private.model.requires_grad_(False)
    _in_float32(private)
    with _freed(private):
        yield private


def _in_float32(private: ModelPatcher) -> None:
    """Casts the weights of a private copy once: autograd would keep what operations cast beside them."""
    private.model.float()
    management.archive_model_dtypes(private.model)  # loading would bring the former ones back
    private.size = 0  # to be counted again


def load_fully(patcher: ModelPatcher) -> None:
    """Loads all weights on the device: partial loading passes them through buffers that a backward cannot use."""
    management.load_models_gpu([patcher], force_full_load=True)


def _private(patcher: ModelPatcher) -> ModelPatcher:
    weights = [w for w in patcher.model.parameters() if w.is_floating_point()]
    low_precision = any(w.dtype != torch.float32 for w in weights)
    if not patcher.is_dynamic() and _cast_in_every_operation(patcher.model):
        private = patcher.clone()
    else:
        private = _reload(patcher) or _deep_copy(patcher)
        if low_precision and not _cast_in_every_operation(private.model):
            _in_float32(private)
    if low_precision:
        private.set_model_compute_dtype(torch.float32)
    return private


def _reload(patcher: ModelPatcher) -> ModelPatcher | None:
    """A clone on weights read anew, where the host manages them dynamically and knows how to read them."""
    if patcher.is_dynamic() and patcher.cached_patcher_init is not None:
        private = patcher.clone(force_deepcopy=True, disable_dynamic=True)
        _expand(private)
        return private
    return None


def _expand(patcher: ModelPatcher) -> None:
    """Gives a private copy the plain weights that its quantized ones stand for: no gradient passes those."""
    for module in patcher.model.modules():
        for name, weight in list(module.named_parameters(recurse=False)):
            if isinstance(weight, QuantizedTensor):
                setattr(module, name, nn.Parameter(weight.dequantize(), requires_grad=False))
                module._full_precision_mm = True  # else the host's layer would quantize what it is multiplied with
                patcher.size = 0  # to be counted again


def _cast_in_every_operation(model: nn.Module) -> bool:
    """Whether autograd never meets a shared tensor: all are low-precision weights of the host's own layers."""
    for module in model.modules():
        own = [w for w in module.parameters(recurse=False) if w.is_floating_point()]
        if own and (not hasattr(module, "comfy_cast_weights") or any(map(_refused, own))):
            return False
    network = getattr(model, "diffusion_model", model)
    return not any(b.is_floating_point() for b in network.buffers())


def _refused(weight: nn.Parameter) -> bool:
    """Whether an operation of the host's layers hands the weight itself to autograd."""
    return weight.dtype == torch.float32 or isinstance(weight, QuantizedTensor)


def _deep_copy(patcher: ModelPatcher) -> ModelPatcher:
    """A clone around a copy of the weights as they were before any patch; the patches go on again at loading.

    Raises:
        ValueError: for quantized weights of a kind that cannot be copied.
    """
    with torch.inference_mode():  # as the host does: quantized weights that move outside of it cannot move back
        _unload(patcher)
    model = patcher.model
    shared = {id(x): x for x in (getattr(model, "model_config", None), getattr(model, "current_patcher", None)) if x}
    shared |= {id(w): w for w in model.parameters() if isinstance(w, QuantizedTensor)}  # which cannot be copied
    try:
        duplicate = copy.deepcopy(model, shared)
    except Exception as error:
        kinds = {type(w).__name__ for w in model.parameters()} - {"Parameter"}
        if not kinds or ran_out(error):
            raise
        raise ValueError(
            f"{type(model).__name__} has weights of the kind {', '.join(sorted(kinds))}, which gradients cannot use. "
            "Load the model without quantization, or leave out what needs gradients: set steps_per_timestep to 0."
        ) from error
    if hasattr(duplicate, "current_patcher"):
        duplicate.current_patcher = None
    if patcher.is_dynamic():
        private = patcher.clone(disable_dynamic=True, model_override=(duplicate, ({}, {}, {}, set())))
    else:
        private = patcher.clone()
        private.model = duplicate
        private.backup, private.backup_buffers, private.object_patches_backup = {}, {}, {}
        private.pinned = set()
    private.hook_backup, private.cached_hook_patches = {}, {}
    _expand(private)
    return private


def _require_boundary(name: str) -> None:
    if torch.is_inference_mode_enabled():
        raise RuntimeError(f"{name}() needs engine_boundary() around it.")


@contextmanager
def _freed(private: ModelPatcher) -> Iterator[None]:
    try:
        yield
    finally:
        _unload(private)
        management.soft_empty_cache()


def _unload(patcher: ModelPatcher) -> None:
    """Takes every clone of a model off its device, which also takes its patches out of the weights."""
    for loaded in [x for x in management.current_loaded_models if x.model is not None and x.model.is_clone(patcher)]:
        loaded.model_unload()
        management.current_loaded_models.remove(loaded)
