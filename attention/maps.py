"""Recording cross-attention maps, differentiably, and no further up the network than needed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from math import sqrt

import torch
from torch import Tensor

from ..core.errors import InputError
from .control import Attend, AttentionLayer

Grid = tuple[int, int]


class StopForward(Exception):
    """Leaves a forward pass once every wanted map is recorded; `record_maps` catches it."""


def map_grid(height: int, width: int) -> Grid:
    """The grid (height, width) at a quarter of the latent's sides. UNets round odd sides up: 65 -> 33 -> 17.

    >>> map_grid(64, 65)
    (16, 17)
    """
    return -(-height // 4), -(-width // 4)


def attention_map(q: Tensor, k: Tensor, heads: int) -> Tensor:
    """softmax(q kᵀ / sqrt(d)) averaged over heads.

    Args:
        q: [B,Nq,heads*d]
        k: [B,Nk,heads*d]
        heads: number of heads.

    Returns:
        [B,Nq,Nk], at least float32. Each query's weights sum to 1.
    """
    dtype = torch.promote_types(q.dtype, torch.float32)
    q, k = (x.to(dtype).unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q, k))  # [B, heads, N, d]
    return (q @ k.transpose(-1, -2) / sqrt(q.shape[-1])).softmax(-1).mean(1)


class CrossAttentionMaps:
    """Records the cross-attention maps of the down and up layers that work on one grid.

    Args:
        grid: (h, w); a layer of place input or output matches when it has h*w queries.
        stop_after: raise `StopForward` in the matching layer of this number (1 is the first), before it attends.
    """

    def __init__(self, grid: Grid, stop_after: int | None = None) -> None:
        self.grid, self.stop_after = grid, stop_after
        self.layers = 0  # matching layers seen
        self._sum: Tensor | None = None
        self._others: set[int] = set()

    def __call__(self, layer: AttentionLayer, q: Tensor, k: Tensor, v: Tensor, attend: Attend) -> Tensor:
        if layer.kind == "cross" and layer.place != "middle":
            if q.shape[1] == self.grid[0] * self.grid[1]:
                self._record(attention_map(q, k, layer.heads))
            else:
                self._others.add(q.shape[1])
        return attend(q, k, v)

    def _record(self, weights: Tensor) -> None:
        self._sum = weights if self._sum is None else self._sum + weights
        self.layers += 1
        if self.layers == self.stop_after:
            raise StopForward

    def maps(self) -> Tensor:
        """The maps, [B,T,h,w], averaged over heads and layers.

        Raises:
            InputError: when no layer matched the grid.
        """
        height, width = self.grid
        if self._sum is None:
            seen = ", ".join(map(str, sorted(self._others))) or "none at all"
            raise InputError(
                "denoise",
                f"no cross-attention layer of its down or up blocks has {height}x{width} = {height * width} queries "
                f"(theirs: {seen}). Expected a model of the SD1/SD2 UNet family and a latent of the size that it works "
                f"on.",
            )
        return (self._sum / self.layers).transpose(1, 2).unflatten(-1, (height, width))


def record_maps(
    denoise: Callable[..., Tensor],
    latent: Tensor,
    sigma: Tensor | float,
    context: Tensor,
    grid: Grid,
    last_layer: int | None = None,
) -> tuple[Tensor, int]:
    """Cross-attention maps of one evaluation, with gradients to context and latent.

    The first call runs the whole network and learns how many layers match. Give that number back as `last_layer`, and
    later calls stop there: nothing above it runs, forward or backward.

    Args:
        denoise: a `Denoiser`, called as denoise(latent, sigma, context, control).
        latent: [B,C,h,w], model space.
        sigma: the noise level.
        context: [B,T,D]
        grid: see `map_grid`.
        last_layer: number of the last matching layer, from an earlier call.

    Returns:
        The maps [B,T,h,w], averaged over heads and layers, and the number of the last matching layer.

    Raises:
        InputError: when no layer matches the grid.
    """
    control = CrossAttentionMaps(grid, stop_after=last_layer)
    with suppress(StopForward):
        denoise(latent, sigma, context, control)
    return control.maps(), control.layers
