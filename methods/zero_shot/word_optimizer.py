"""What both styles of text embedding refinement share: the parameters, their optimizer, the result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from ...core.errors import InputError
from ...core.masks import binarize_mask, require_same_frame
from ...core.types import ImagingDescription
from .contexts import Context, each, rows_for, tokens_of, with_tokens
from .embedding_loss import PairLoss
from .text_rows import TextRow, fuse_target, row_contexts, text_row
from .types import Denoiser, RefinedEmbedding, TextEncoder, Trajectory

Contexts = tuple[Context, Context, Context]  # source, target, background, each [1, T, D]


class OptimizerSettings(Protocol):
    """The constants that every style has."""

    @property
    def learning_rate(self) -> float: ...
    @property
    def regularization_weight(self) -> float: ...
    @property
    def weight_decay(self) -> float: ...
    @property
    def weight_learning_rate(self) -> float: ...
    @property
    def cached_queries(self) -> bool: ...


class WordOptimizer:
    """The condition words' token embeddings of both rows and the logits behind α, under one AdamW.

    Args:
        denoise: differentiable in its context.
        encoder: differentiable in its token embeddings.
        trajectory: of B images, which share the embeddings.
        description: an object, and at least one word each for foreground and background.
        mask: [B or 1, H, W], 1 on the foreground; binarized at 100/255.
        settings: learning rates, decay, regularization, and whether queries are cached.
        importance: [B or 1, H, W], how much each pixel of the scene counts for the background's words, 0 or more. None:
            all count the same.

    Raises:
        InputError: for an empty or ill-shaped mask, an importance that does not fit it or leaves nothing of the
            background, or a description without words for one side.
        RuntimeError: under `torch.inference_mode()`, which has no gradients.
    """

    def __init__(
        self,
        denoise: Denoiser,
        encoder: TextEncoder,
        trajectory: Trajectory,
        description: ImagingDescription,
        mask: Tensor,
        settings: OptimizerSettings,
        importance: Tensor | None = None,
    ) -> None:
        if torch.is_inference_mode_enabled():
            raise RuntimeError("Refinement needs gradients: call it under torch.inference_mode(False).")
        self.encoder, self.trajectory = encoder, trajectory
        self.rows = text_rows(encoder, description)
        require_same_frame(mask, trajectory.latent_shape)
        if importance is not None:
            _require_one_for_each(importance, trajectory.latent_shape[0])
        binary = binarize_mask(mask.to(trajectory.latents.device))
        weight = settings.regularization_weight
        self.loss = PairLoss(
            denoise,
            encoder,
            trajectory,
            self.rows,
            binary,
            weight,
            importance,
            cached_queries=settings.cached_queries,
        )
        background = self.rows[1].conditions
        logits = torch.zeros(len(background), dtype=background.dtype, device=background.device)
        words = [row.conditions.clone().requires_grad_() for row in self.rows]
        self.parameters = [*words, logits.requires_grad_()]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": words, "lr": settings.learning_rate},
                {"params": [logits], "lr": settings.weight_learning_rate},
            ],
            weight_decay=settings.weight_decay,
        )
        self.losses: list[float] = []

    def accumulate(self, timestep: int, share: float = 1.0) -> float:
        """Adds one timestep's gradient, times `share`; returns its loss, times `share`."""
        with torch.enable_grad():
            loss = share * self.loss(timestep, *self.parameters)
            gradients = torch.autograd.grad(loss, self.parameters)
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient
        return float(loss.detach())

    def step(self, loss: float) -> None:
        """One AdamW step on the gradients accumulated so far; `loss` goes into the record."""
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.losses.append(loss)

    def encoded(self) -> Contexts:
        """What `contexts()` gives before the next `step`, for nothing: `accumulate` has just encoded the rows."""
        assert self.loss.contexts is not None, "accumulate first"
        return fused_contexts(self.rows, *self.loss.contexts, self.parameters[2].detach().softmax(0))

    def contexts(self) -> Contexts:
        """The rows' contexts with the embeddings as they are now."""
        foreground, background, logits = (parameter.detach() for parameter in self.parameters)
        return encoded_contexts(self.encoder, self.rows, (foreground, background), logits.softmax(0))

    def refined(self, contexts: Sequence[Contexts]) -> RefinedEmbedding:
        """The result, from the contexts of each of the N steps."""
        weights = self.parameters[2].detach().softmax(0)
        return refined_embedding(self.encoder, self.trajectory, self.rows, weights, contexts, self.losses)


def _require_one_for_each(importance: Tensor, pictures: int) -> None:
    if len(importance) not in (1, pictures):
        raise InputError(
            "importance", f"got {len(importance)} maps for {pictures} pictures. Give one map, or one for each."
        )


def text_rows(encoder: TextEncoder, description: ImagingDescription) -> tuple[TextRow, TextRow]:
    """The foreground's and the background's row.

    Raises:
        InputError: for a description without words for one side.
    """
    return text_row(encoder, description, "foreground"), text_row(encoder, description, "background")


@torch.no_grad()
def encoded_contexts(
    encoder: TextEncoder, rows: tuple[TextRow, TextRow], conditions: tuple[Tensor, Tensor], weights: Tensor
) -> Contexts:
    """Both rows encoded with these condition embeddings, and the target fused from them (paper eq. 4)."""
    source, other = row_contexts(encoder, rows, conditions)
    return fused_contexts(rows, source, other, weights)


def fused_contexts(rows: tuple[TextRow, TextRow], source: Context, other: Context, weights: Tensor) -> Contexts:
    """The encoded rows [1, T, D], and the target fused from them (paper eq. 4).

    The target's pooled output, where the model has one, is the background's: it is read at the end-of-text token, from
    which on the target is the background's anyway.
    """
    foreground, background = rows
    ends = foreground.prompt.end, background.prompt.end
    tokens = tokens_of(source), tokens_of(other)
    target = fuse_target(*tokens, weights, foreground.tokens, background.tokens, *ends)
    return source, with_tokens(other, target), other


@torch.no_grad()
def refined_embedding(
    encoder: TextEncoder,
    trajectory: Trajectory,
    rows: tuple[TextRow, TextRow],
    weights: Tensor,
    contexts: Sequence[Contexts],
    losses: Sequence[float],
) -> RefinedEmbedding:
    """The contexts of the trajectory's N steps, in its latents' type and repeated for its B images."""
    batch, like = trajectory.latent_shape[0], trajectory.latents

    def along_path(*steps: Tensor) -> Tensor:
        return torch.stack(steps).to(like).expand(-1, batch, *steps[0].shape[1:])

    source, target, background = (each(along_path, *steps) for steps in zip(*contexts, strict=True))
    return RefinedEmbedding(
        source=source,
        target=target,
        background=background,
        negative=rows_for(encoder.encode(encoder.tokenize("")), like[0]),
        weights=weights,
        foreground_tokens=rows[0].tokens,
        background_tokens=rows[1].tokens,
        sigmas=trajectory.sigmas,
        latent_shape=trajectory.latent_shape,
        losses=tuple(losses),
    )
