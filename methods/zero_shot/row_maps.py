"""The attention maps of both text rows at a timestep, as the refinement learns from them."""

from __future__ import annotations

import torch
from torch import Tensor

from ...attention.maps import CrossAttentionQueries, Grid, record_maps, record_queries
from .contexts import Context, tokens_of
from .types import Denoiser, Trajectory


class ExactMaps:
    """An evaluation of the model for each context.

    Args:
        denoise: differentiable in its context.
        trajectory: of B images.
        grid: of the maps, see `map_grid`.
    """

    def __init__(self, denoise: Denoiser, trajectory: Trajectory, grid: Grid) -> None:
        self.denoise, self.trajectory, self.grid = denoise, trajectory, grid
        self.last_layer: int | None = None

    def __call__(self, step: int, contexts: Context) -> Tensor:
        """Maps [2B,T,h,w] of contexts [2B,T,D], the foreground's rows first, at a timestep of the trajectory."""
        latent, sigma = self._at(step)
        pictures = torch.cat([latent, latent])
        maps, self.last_layer = record_maps(self.denoise, pictures, sigma, contexts, self.grid, self.last_layer)
        return maps

    def _at(self, step: int) -> tuple[Tensor, Tensor]:
        """The pictures [B,C,h,w] at a timestep, and its noise level."""
        latent = self.trajectory.latents[step]
        return latent, self.trajectory.sigmas[step].to(latent.device)


class CachedMaps(ExactMaps):
    """One evaluation of the foreground's rows for each timestep, without gradients; after it a context costs a matrix
    product a layer.

    The queries are those of the first context that a timestep sees, and the background's rows take them, too: both rows
    see the same picture. So the foreground's first maps are exact, the others leave out that words also change the
    queries of the layers above them (`benchmarks speed` has what that saves, `benchmarks fast` what it costs).
    """

    _step: int | None = None
    _queries: CrossAttentionQueries

    def __call__(self, step: int, contexts: Context) -> Tensor:
        if step != self._step:
            latent, sigma = self._at(step)
            self._queries, self.last_layer = record_queries(
                self.denoise, latent, sigma, contexts[: len(latent)], self.grid, self.last_layer
            )
            self._step = step
        return self._queries.maps(tokens_of(contexts))
