"""What the networks of a checkpoint run while a pass runs, counted in rows by hooks on their modules.

What a UNet runs before its first text counts by itself, too, since its rows may share it: blocks, then an attention.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from ..host.sampling.shared_rows import before_the_text
from ..host.sampling.upsampling import FusedUpsample
from ..host.zero_shot.edit import Models
from .passes import Way
from .shapes import Shape

Network = Literal["unet", "text", "decoder", "fused decoder", "cropped decoder", "first blocks", "first attention"]
Part = Literal["whole", "to the last map", "none"]
Rows = dict[str, Counter["Run"]]  # stage -> how many rows ran in which way


@dataclass(frozen=True)
class Run:
    """How far a network ran forward, and through how much of it a gradient went back."""

    network: Network
    forward: Part
    backward: Part


class _Call:
    """One call of a network; what became of it shows only later."""

    def __init__(self, network: Network, module: nn.Module, rows: int, gradients: bool) -> None:
        self.network: Network = network
        self.module, self.rows, self.gradients = module, rows, gradients
        self.finished = self.went_back = False

    def run(self) -> Run:
        forward: Part = "whole" if self.finished else "to the last map"
        backward: Part = "none"
        if self.gradients:  # each graph that the stages build is differentiated once
            backward = "whole" if self.went_back else "to the last map"
        return Run(self.network, forward, backward)


def count_rows(way: Way, models: Models, shape: Shape) -> Rows:
    """Runs a pass; rows of each stage."""
    calls: dict[str, list[_Call]] = {}
    current: list[_Call] = []

    @contextmanager
    def mark(stage: str) -> Iterator[None]:
        current.clear()
        yield
        calls[stage] = list(current)

    with _counted(models, shape, current):
        way(models, shape, mark)
    found: Rows = {}
    for stage, made in calls.items():
        found[stage] = Counter()
        for call in made:
            found[stage][call.run()] += call.rows
    return found


@contextmanager
def _counted(models: Models, shape: Shape, calls: list[_Call]) -> Iterator[None]:
    """Every call of the networks, and of their copies that stages make, goes into `calls`."""
    clip: Any = models.clip.cond_stage_model
    # A row of text passes SDXL's two models: the one that gives the pooled output stands for both.
    text = clip.clip_g if hasattr(clip, "clip_g") else getattr(clip, clip.clip)
    vae: Any = models.vae.first_stage_model
    modules: dict[Network, nn.Module] = {
        "unet": models.model.model.diffusion_model,
        "text": text.transformer,
        "decoder": vae.decoder,
    }
    first, *_, attention = cast(list[Any], list(before_the_text(models.model.model.diffusion_model)))
    modules["first blocks"], modules["first attention"] = first.in_layers, attention.to_q  # inside: they see rows left
    handles = []
    for network, module in modules.items():
        before, after = _hooks(network, shape.latent, calls)
        handles.append(module.register_forward_pre_hook(before, with_kwargs=True))
        handles.append(module.register_forward_hook(after))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _hooks(network: Network, side: int, calls: list[_Call]) -> tuple[Callable, Callable]:
    """Of a network, where whole latents have so many pixels a side.

    Plain functions: a copied module keeps them, and what they write to, as they are.
    """

    def before(module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> None:
        tensors = [x for x in (*args, *kwargs.values()) if isinstance(x, Tensor)]
        gradients = torch.is_grad_enabled() and any(x.requires_grad for x in tensors)
        kind: Network = network
        if network == "decoder" and any(isinstance(layer, FusedUpsample) for layer in module.modules()):
            kind = "fused decoder" if tensors[0].shape[-1] == side else "cropped decoder"
        calls.append(_Call(kind, module, len(tensors[0]), gradients))

    def after(module: nn.Module, _args: tuple, output: Any) -> None:
        call = next(call for call in reversed(calls) if call.module is module)
        call.finished = True
        for out in output if isinstance(output, tuple) else (output,):
            if isinstance(out, Tensor) and out.requires_grad:
                out.register_hook(lambda _gradient, call=call: setattr(call, "went_back", True))

    return before, after
