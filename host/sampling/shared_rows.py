"""What a UNet computes before it first reads a text: once for rows that are alike, and once for a noise level.

Up to its first cross-attention a row depends on the latent and the noise level alone. So rows that differ in their text
share that part, and so do the evaluations of one latent, as an optimizer makes them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from comfy.ldm.modules.attention import SpatialTransformer
from torch import Tensor, nn


@contextmanager
def shared_rows(unet: Any) -> Iterator[None]:
    """Inside, the UNet's modules before its first text compute no row twice; the modules are as before on leaving.

    Nothing else may alter what these modules do from call to call, such as weights that change with the noise level.
    """
    handles = []
    for module in before_the_text(unet):
        rows = _Rows()
        handles += [module.register_forward_pre_hook(rows.before), module.register_forward_hook(rows.after)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def before_the_text(unet: Any) -> Iterator[nn.Module]:
    """The layers that hardly anything but latent and noise level reaches, in order: the last is a self-attention.

    The first convolution is left out: it costs no more than to look for equal rows.
    """
    for block in list(unet.input_blocks)[1:]:
        for layer in block:
            if isinstance(layer, SpatialTransformer):
                first: Any = layer.transformer_blocks[0]
                if not first.disable_self_attn:
                    yield first.attn1
                return
            yield layer


class _Rows:
    """The rows of a module's last call, and what became of them.

    Rows are compared by their numbers. So it does not matter what gave them to the module, a ControlNet for example.
    Rows that a batch of another size rounded otherwise count as others.
    """

    def __init__(self) -> None:
        self.inputs: list[tuple[Tensor, ...]] = []
        self.outputs: list[Tensor] = []
        self.places: list[int] | None = None  # for each row of the running call, its place among `inputs`

    def before(self, _module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        """The rows [n,...] that are left to compute; none where all are known."""
        self.places = None
        if any(arg.requires_grad for arg in args):
            return None
        new, places = [], []
        for number, row in enumerate(zip(*args, strict=True)):
            place = next((i for i, known in enumerate(self.inputs) if all(map(torch.equal, known, row))), None)
            if place is None:
                place = len(self.inputs)
                self.inputs.append(tuple(x.clone() for x in row))  # the host may alter its tensor later
                new.append(number)
            places.append(place)
        self.places = places
        return tuple(arg[new] for arg in args)

    def after(self, _module: nn.Module, _args: Any, output: Tensor) -> Tensor | None:
        """All rows' outputs. Those of rows that this call did not have are forgotten."""
        if self.places is None:
            return None
        self.outputs += output.detach().unbind()
        used = sorted(set(self.places))
        result = torch.stack([self.outputs[place] for place in self.places])
        self.inputs = [self.inputs[place] for place in used]
        self.outputs = [self.outputs[place] for place in used]
        return result
