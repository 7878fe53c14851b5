"""Recording cross-attention maps, differentiably, and no further up the network than needed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from math import sqrt
from typing import Any

import torch
from torch import Tensor

from ..core.errors import InputError
from .control import Attend, AttentionLayer, Kind

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


class _GridLayers:
    """Follows the cross-attention layers of the down and up blocks that work on one grid.

    Args:
        grid: (h, w); a layer of place input or output matches when it has h*w queries.
        stop_after: raise `StopForward` in the matching layer of this number (1 is the first), before it attends.
    """

    kinds: tuple[Kind, ...] = ("cross",)

    def __init__(self, grid: Grid, stop_after: int | None = None) -> None:
        self.grid, self.stop_after = grid, stop_after
        self.layers = 0  # matching layers seen
        self._others: set[int] = set()

    def __call__(self, layer: AttentionLayer, q: Tensor, k: Tensor, v: Tensor, attend: Attend) -> Tensor:
        if layer.kind == "cross" and layer.place != "middle":
            if q.shape[1] == self.grid[0] * self.grid[1]:
                self._record(layer, q, k)
                self.layers += 1
                if self.layers == self.stop_after:
                    raise StopForward
            else:
                self._others.add(q.shape[1])
        return attend(q, k, v)

    def _record(self, layer: AttentionLayer, q: Tensor, k: Tensor) -> None:
        raise NotImplementedError

    def require_match(self) -> None:
        """
        Raises:
            InputError: when no layer matched the grid.
        """
        height, width = self.grid
        if not self.layers:
            seen = ", ".join(map(str, sorted(self._others))) or "none at all"
            raise InputError(
                "denoise",
                f"no cross-attention layer of its down or up blocks has {height}x{width} = {height * width} queries "
                f"(theirs: {seen}). Expected a UNet of SD1.5, SD2 or SDXL and a latent of the size that it works "
                f"on.",
            )


class CrossAttentionMaps(_GridLayers):
    """Records the sum of the matching layers' maps."""

    _sum: Tensor | None = None

    def _record(self, layer: AttentionLayer, q: Tensor, k: Tensor) -> None:
        weights = attention_map(q, k, layer.heads)
        self._sum = weights if self._sum is None else self._sum + weights

    def maps(self) -> Tensor:
        """The maps, [B,T,h,w], averaged over heads and layers.

        Raises:
            InputError: when no layer matched the grid.
        """
        self.require_match()
        assert self._sum is not None
        return _on_grid(self._sum / self.layers, self.grid)


class CrossAttentionQueries(_GridLayers):
    """Records the matching layers' queries, from which the maps of other contexts follow."""

    def __init__(self, grid: Grid, stop_after: int | None = None) -> None:
        super().__init__(grid, stop_after)
        self._queries: list[tuple[AttentionLayer, Tensor]] = []

    def _record(self, layer: AttentionLayer, q: Tensor, k: Tensor) -> None:
        self._queries.append((layer, q))

    def maps(self, context: Tensor) -> Tensor:
        """The maps of `context` [nB,T,D], averaged over heads and layers: [nB,T,h,w], with gradients to the context.

        Each of the n groups of B rows meets the B rows of queries. The maps are exact for the context that the queries
        were recorded with. The queries hardly depend on it: they come from the picture, and a context enters them
        through the layers below alone.

        Raises:
            InputError: when a layer cannot tell its keys.
        """
        groups = len(context) // len(self._queries[0][1])
        maps = [attention_map(q.repeat(groups, 1, 1), _keys(layer)(context), layer.heads) for layer, q in self._queries]
        return _on_grid(torch.stack(maps).mean(0), self.grid)


def _keys(layer: AttentionLayer) -> Callable[[Tensor], Tensor]:
    if layer.keys is None:
        raise InputError("denoise", "its attention layers cannot tell their keys, which cached queries need.")
    return layer.keys


def _on_grid(weights: Tensor, grid: Grid) -> Tensor:
    """Weights of the queries [B,h*w,T] as maps [B,T,h,w]."""
    return weights.transpose(1, 2).unflatten(-1, grid)


def record_maps(
    denoise: Callable[..., Tensor],
    latent: Tensor,
    sigma: Tensor | float,
    context: Any,
    grid: Grid,
    last_layer: int | None = None,
) -> tuple[Tensor, int]:
    """Cross-attention maps of one evaluation, with gradients to context and latent.

    The first call learns how many layers match: the whole network runs once. Give that number back as `last_layer`, and
    later calls stop there: nothing above it runs, forward or backward. Where there are gradients, one row runs without
    them to learn it: what a backward pass through the whole network needs would be most of a stage's memory.

    Args:
        denoise: a `Denoiser`, called as denoise(latent, sigma, context, control).
        latent: [B,C,h,w], model space.
        sigma: the noise level.
        context: [B,T,D], in the form that `denoise` takes.
        grid: see `map_grid`.
        last_layer: number of the last matching layer, from an earlier call.

    Returns:
        The maps [B,T,h,w], averaged over heads and layers, and the number of the last matching layer.

    Raises:
        InputError: when no layer matches the grid.
    """
    if last_layer is None and torch.is_grad_enabled():
        last_layer = record_queries(denoise, latent[:1], sigma, context[:1], grid)[1]
    control = CrossAttentionMaps(grid, stop_after=last_layer)
    with suppress(StopForward):
        denoise(latent, sigma, context, control)
    return control.maps(), control.layers


def record_queries(
    denoise: Callable[..., Tensor],
    latent: Tensor,
    sigma: Tensor | float,
    context: Any,
    grid: Grid,
    last_layer: int | None = None,
) -> tuple[CrossAttentionQueries, int]:
    """The queries of one evaluation without gradients: `record_maps` for many contexts about `context`.

    Args: see `record_maps`.

    Returns:
        The queries and the number of the last matching layer.

    Raises:
        InputError: when no layer matches the grid.
    """
    control = CrossAttentionQueries(grid, stop_after=last_layer)
    with suppress(StopForward), torch.no_grad():
        denoise(latent, sigma, context.detach(), control)
    control.require_match()
    return control, control.layers
