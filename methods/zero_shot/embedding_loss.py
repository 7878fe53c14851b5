"""The loss that draws a row's words to their side of the mask: the paper's L_Emb (eq. 2-3)."""

from __future__ import annotations

import torch
from torch import Tensor

from ...attention.maps import map_grid
from ...core.masks import mask_on_grid, scene_importance
from .contexts import Context, join_rows, rows_for
from .row_maps import CachedMaps, ExactMaps
from .text_rows import TextRow, row_contexts
from .types import Denoiser, TextEncoder, Trajectory


def embedding_loss(
    maps: Tensor,
    weights: Tensor,
    mask: Tensor,
    embeddings: Tensor,
    initial: Tensor,
    regularization_weight: float,
    importance: Tensor | None = None,
) -> Tensor:
    """L_Emb = mean(S (M - A / max A)²) + w mean((E - E_init)²), A = Σ_n α_n A_n (paper eq. 2-3, where S = 1).

    Args:
        maps: [B, n, h, w], A_n, the condition tokens' attention maps.
        weights: [n], α; ones for the foreground's plain sum.
        mask: [B or 1, h, w], M, in 0-1: where the words belong.
        embeddings: [n, E], E, the condition tokens' embeddings as they are now.
        initial: [n, E], E_init, the same before refinement.
        regularization_weight: w.
        importance: [B or 1, h, w], S, how much each cell counts, with a mean of 1. None: S = 1.

    Returns:
        A scalar, the mean over the images.
    """
    attention = torch.einsum("n,bnhw->bhw", weights.to(maps), maps)
    peak = attention.amax((1, 2), keepdim=True).clamp_min(torch.finfo(attention.dtype).tiny)
    misses = (mask.to(attention) - attention / peak).square()
    coverage = (misses if importance is None else importance.to(misses) * misses).mean()
    return coverage + (regularization_weight * (embeddings - initial).square().mean()).to(coverage)


class PairLoss:
    """L_Emb of both rows at one timestep, as a function of what is optimized.

    Args:
        denoise: differentiable in its context.
        encoder: differentiable in its token embeddings.
        trajectory: of B images.
        rows: the foreground's and the background's.
        mask: [B or 1, H, W], 1 on the foreground, 0 elsewhere.
        regularization_weight: w of eq. 2.
        importance: [B or 1, H, W], how much each pixel of the scene counts for the background's row, 0 or more. None:
            all count the same.
        cached_queries: maps from the queries of one evaluation a timestep, see `CachedMaps`.

    Raises:
        InputError: when the importance has another size than the mask or leaves nothing of the background.
    """

    def __init__(
        self,
        denoise: Denoiser,
        encoder: TextEncoder,
        trajectory: Trajectory,
        rows: tuple[TextRow, TextRow],
        mask: Tensor,
        regularization_weight: float,
        importance: Tensor | None = None,
        *,
        cached_queries: bool = False,
    ) -> None:
        self.encoder, self.trajectory, self.rows = encoder, trajectory, rows
        self.initial = tuple(row.conditions for row in rows)
        self.regularization_weight = regularization_weight
        grid = map_grid(*trajectory.latent_shape[-2:])
        self.row_maps = (CachedMaps if cached_queries else ExactMaps)(denoise, trajectory, grid)
        share = mask_on_grid(mask, grid)
        self.masks = (share, 1 - share)
        self.contexts: tuple[Context, Context] | None = None  # both rows' [1, T, D] at the last call, detached
        self.importance = (None, None)
        if importance is not None:  # the object's pixels still count 1: the background's words must keep off it
            self.importance = (None, mask_on_grid(mask + scene_importance(importance, mask), grid))

    def __call__(self, step: int, foreground: Tensor, background: Tensor, logits: Tensor) -> Tensor:
        """The sum over both rows at a timestep.

        Args:
            step: index of the timestep in the trajectory.
            foreground: [n, E], the embeddings of the foreground row's condition tokens.
            background: [m, E], those of the background row.
            logits: [m], those behind α.

        Returns:
            A scalar.
        """
        latent = self.trajectory.latents[step]
        conditions = (foreground, background)
        contexts = row_contexts(self.encoder, self.rows, conditions)
        self.contexts = contexts[0].detach(), contexts[1].detach()
        maps = self.row_maps(step, join_rows([rows_for(context, latent) for context in contexts]))
        weights = (logits.new_ones(len(foreground)), logits.softmax(0))
        losses = [
            embedding_loss(
                row_maps[:, list(row.tokens)], alpha, mask, tokens, initial, self.regularization_weight, importance
            )
            for row, row_maps, alpha, mask, importance, tokens, initial in zip(
                self.rows, maps.chunk(2), weights, self.masks, self.importance, conditions, self.initial, strict=True
            )
        ]
        return losses[0] + losses[1]
