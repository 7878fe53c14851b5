"""What autograd keeps of the model's evaluations for the backward pass: no casts of weights, and no more than fits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import comfy.model_management as management
import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

# Bytes that must stay free on the device beside what is kept: some tenths of a GiB for the operation at work. A VAE
# that computes its activations again asks for more, see `vae.decoding_memory`.
RESERVE = 2 << 30
SMALL = 1 << 20  # bytes; less is not worth a transfer

Cast = tuple[Tensor, bool, torch.dtype]  # the weight, whether its cast was transposed, and the type that it had


def can_spare(network: nn.Module, device: torch.device) -> bool:
    """Whether `sparing` can save anything; its hooks take a tenth of a small model's time."""
    return device.type != "cpu" or any(weight.dtype != torch.float32 for weight in network.parameters())


@contextmanager
def sparing(reserve: int = RESERVE) -> Iterator[None]:
    """Around an evaluation with gradients: the same gradients, from less memory.

    Low-precision weights that the host casts in an operation are cast again in the backward pass: kept, the casts of
    all layers would take twice the memory of the weights. Activations go to the CPU's memory once the device has less
    than `reserve` bytes left.
    """
    with casts() as cast_of:

        def pack(kept: Tensor) -> Tensor | Cast | tuple[Tensor, torch.device]:
            cast = cast_of(kept)
            if cast is not None:
                return cast
            if kept.nbytes > SMALL and _is_scarce(kept.device, reserve):
                return kept.cpu(), kept.device
            return kept

        with saved_tensors_hooks(pack, _unpack):
            yield


@contextmanager
def casts() -> Iterator[Callable[[Tensor], Cast | None]]:
    """Of what autograd asks to keep inside, which weight it is the cast of; None for anything else."""
    running: list[nn.Module] = []

    def enter(module: nn.Module, _args: Any) -> None:
        running.append(module)

    def leave(*_: Any) -> None:
        running.pop()

    handles = register_module_forward_pre_hook(enter), register_module_forward_hook(leave, always_call=True)
    try:
        yield lambda kept: _cast_of(running[-1], kept) if running else None
    finally:
        for handle in handles:
            handle.remove()


def _cast_of(module: nn.Module, kept: Tensor) -> Cast | None:
    """The weight that a tensor is the cast of, while one of the host's layers runs.

    Such a layer keeps its input, too, but no layer's input has the shape of its weight.
    """
    weight: Any = getattr(module, "weight", None)
    if not hasattr(module, "comfy_cast_weights") or weight is None or weight.dtype == kept.dtype:
        return None
    if type(weight) is not nn.Parameter:  # a kind of its own, such as bytes that tell the shape of the unpacked weight
        return None
    if getattr(module, "weight_function", None):  # a patch on the fly: the cast is more than the weight
        return None
    transposed = kept.ndim == 2 and not kept.is_contiguous()  # as a linear layer multiplies by it
    shape = kept.t().shape if transposed else kept.shape
    return (weight, transposed, kept.dtype) if shape == weight.shape else None


def _is_scarce(device: torch.device, reserve: int) -> bool:
    free: Any = None if device.type == "cpu" else management.get_free_memory(device)
    return free is not None and free < reserve


def _unpack(kept: Tensor | Cast | tuple[Tensor, torch.device]) -> Tensor:
    if isinstance(kept, Tensor):
        return kept
    if len(kept) == 2:
        return kept[0].to(kept[1])
    weight, transposed, dtype = kept
    cast = weight.to(dtype)
    return cast.t() if transposed else cast
