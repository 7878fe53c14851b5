"""Text embedding refinement, optimizing style (paper eq. 2-4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..attention.maps import map_grid, record_maps
from .masks import binarize_mask, mask_on_grid, require_same_frame
from .text_rows import TextRow, fuse_target, text_row
from .types import Callback, Denoiser, ImagingDescription, RefinedEmbedding, TextEncoder, Trajectory, silent


@dataclass(frozen=True)
class RefinementSettings:
    """The constants of the refinement; defaults are the paper's optimizing style."""

    steps_per_timestep: int = 2  # 0 keeps the words' own embeddings
    learning_rate: float = 1e-3  # of the token embeddings
    regularization_weight: float = 5000.0  # w of eq. 2
    weight_decay: float = 0.01
    weight_learning_rate: float = 0.1  # of the logits behind α, which at 1e-3 would barely move in 100 steps

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            if getattr(self, name) < 0:
                raise ValueError(f"RefineEmbedding: `{name}` must be 0 or more, got {getattr(self, name)}.")


def region_loss(
    maps: Tensor,
    weights: Tensor,
    region: Tensor,
    embeddings: Tensor,
    initial: Tensor,
    regularization_weight: float,
) -> Tensor:
    """L_Emb = mean((M - A / max A)²) + w mean((E - E_init)²), A = Σ_n α_n A_n (paper eq. 2-3).

    Args:
        maps: [B, n, h, w], the condition tokens' attention maps.
        weights: [n], α; ones for the foreground's plain sum.
        region: [B or 1, 1, h, w], M, in [0, 1].
        embeddings, initial: [n, E], the condition tokens' embeddings now and before refinement.

    Returns:
        A scalar, the mean over the images.
    """
    attention = torch.einsum("n,bnhw->bhw", weights.to(maps), maps)
    peak = attention.amax((1, 2), keepdim=True).clamp_min(torch.finfo(attention.dtype).tiny)
    coverage = (region[:, 0].to(attention) - attention / peak).square().mean()
    return coverage + (regularization_weight * (embeddings - initial).square().mean()).to(coverage)


def refine(
    denoise: Denoiser,
    encoder: TextEncoder,
    trajectory: Trajectory,
    description: ImagingDescription,
    mask: Tensor,
    settings: RefinementSettings = RefinementSettings(),
    callback: Callback = silent,
) -> RefinedEmbedding:
    """Fits the condition words' token embeddings to their regions, step by step along an inversion.

    The foreground row learns to attend to the mask, the background row to its complement. From the noisiest
    inverted latent to the cleanest, each timestep starts from the embeddings of the last, and keeps its own; one
    AdamW serves them all. The images of a batch share the embeddings. CLIP implementations that add in place need
    the whole call inside `torch.autograd.graph.allow_mutation_on_saved_tensors()`.

    Args:
        denoise: differentiable in its context.
        encoder: differentiable in its token embeddings.
        trajectory: of B images.
        description: an object and at least one word for each region.
        mask: [B or 1, 1, H, W], 1 on the foreground; binarized at 100/255.
        callback: called after each optimizer step, N * steps_per_timestep times.

    Returns:
        The source's and the target's context at every step, α, and the loss at each optimizer step.

    Raises:
        ValueError: for an empty or ill-shaped mask, a region without words, or a model whose maps do not fit.
        RuntimeError: under `torch.inference_mode()`, which has no gradients.
    """
    if torch.is_inference_mode_enabled():
        raise RuntimeError("refine needs gradients: call it under torch.inference_mode(False).")
    foreground, background = (text_row(encoder, description, region) for region in ("foreground", "background"))
    require_same_frame(mask, trajectory.latent_shape)
    binary = binarize_mask(mask.to(trajectory.latents.device))
    if settings.steps_per_timestep == 0:
        return encode_pair(encoder, description, trajectory)

    loss_of = _PairLoss(denoise, encoder, trajectory, foreground, background, binary, settings.regularization_weight)
    logits = torch.zeros(len(background.tokens), dtype=background.embeddings.dtype, device=background.embeddings.device)
    parameters = [row.conditions.clone().requires_grad_() for row in (foreground, background)]
    parameters.append(logits.requires_grad_())
    optimizer = torch.optim.AdamW(
        [
            {"params": parameters[:2], "lr": settings.learning_rate},
            {"params": parameters[2:], "lr": settings.weight_learning_rate},
        ],
        weight_decay=settings.weight_decay,
    )
    losses: list[float] = []
    pairs: list[tuple[Tensor, Tensor]] = []
    for step in range(trajectory.steps):
        for _ in range(settings.steps_per_timestep):
            with torch.enable_grad():
                loss = loss_of(step, *parameters)
                gradients = torch.autograd.grad(loss, parameters)
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.grad = gradient
            optimizer.step()
            losses.append(float(loss.detach()))
            callback(len(losses), trajectory.steps * settings.steps_per_timestep)
        conditions = [parameter.detach() for parameter in parameters]
        pairs.append(_contexts(encoder, foreground, background, conditions[0], conditions[1], conditions[2].softmax(0)))
    return _refined(encoder, trajectory, foreground, background, logits.detach().softmax(0), pairs, losses)


def encode_pair(encoder: TextEncoder, description: ImagingDescription, trajectory: Trajectory) -> RefinedEmbedding:
    """The two contexts from the words as they are, the background's equally weighted: no optimization.

    Raises:
        ValueError: for a region without words.
    """
    foreground, background = (text_row(encoder, description, region) for region in ("foreground", "background"))
    count = len(background.tokens)
    weights = background.embeddings.new_full((count,), 1 / count)
    pair = _contexts(encoder, foreground, background, foreground.conditions, background.conditions, weights)
    return _refined(encoder, trajectory, foreground, background, weights, [pair] * trajectory.steps, ())


class _PairLoss:
    """L_Emb of both rows at one timestep, as a function of what is optimized."""

    def __init__(
        self,
        denoise: Denoiser,
        encoder: TextEncoder,
        trajectory: Trajectory,
        foreground: TextRow,
        background: TextRow,
        mask: Tensor,
        regularization_weight: float,
    ) -> None:
        self.denoise, self.encoder, self.trajectory = denoise, encoder, trajectory
        self.rows = (foreground, background)
        self.initial = (foreground.conditions, background.conditions)
        self.regularization_weight = regularization_weight
        self.grid = map_grid(*trajectory.latent_shape[-2:])
        region = mask_on_grid(mask, self.grid)
        self.regions = (region, 1 - region)
        self.last_layer: int | None = None

    def __call__(self, step: int, foreground: Tensor, background: Tensor, logits: Tensor) -> Tensor:
        latent = self.trajectory.latents[step]
        conditions = (foreground, background)
        contexts = [row.context(self.encoder, tokens) for row, tokens in zip(self.rows, conditions, strict=True)]
        maps, self.last_layer = record_maps(
            self.denoise,
            torch.cat([latent, latent]),
            self.trajectory.sigmas[step].to(latent.device),
            torch.cat([context.to(latent).expand(len(latent), -1, -1) for context in contexts]),
            self.grid,
            self.last_layer,
        )
        weights = (logits.new_ones(len(foreground)), logits.softmax(0))
        losses = [
            region_loss(row_maps[:, list(row.tokens)], alpha, region, tokens, initial, self.regularization_weight)
            for row, row_maps, alpha, region, tokens, initial in zip(
                self.rows, maps.chunk(2), weights, self.regions, conditions, self.initial, strict=True
            )
        ]
        return losses[0] + losses[1]


@torch.no_grad()
def _contexts(
    encoder: TextEncoder,
    foreground: TextRow,
    background: TextRow,
    foreground_conditions: Tensor,
    background_conditions: Tensor,
    weights: Tensor,
) -> tuple[Tensor, Tensor]:
    """(source, target), each [1, T, D]."""
    source = foreground.context(encoder, foreground_conditions)
    other = background.context(encoder, background_conditions)
    ends = foreground.prompt.end, background.prompt.end
    return source, fuse_target(source, other, weights, foreground.tokens, background.tokens, *ends)


@torch.no_grad()
def _refined(
    encoder: TextEncoder,
    trajectory: Trajectory,
    foreground: TextRow,
    background: TextRow,
    weights: Tensor,
    pairs: Sequence[tuple[Tensor, Tensor]],
    losses: Sequence[float],
) -> RefinedEmbedding:
    batch, like = trajectory.latent_shape[0], trajectory.latents
    source, target = (torch.stack(rows).to(like).expand(-1, batch, -1, -1) for rows in zip(*pairs, strict=True))
    return RefinedEmbedding(
        source=source,
        target=target,
        negative=encoder.encode(encoder.tokenize("")).to(like).expand(batch, -1, -1),
        weights=weights,
        foreground_tokens=foreground.tokens,
        background_tokens=background.tokens,
        sigmas=trajectory.sigmas,
        latent_shape=trajectory.latent_shape,
        losses=tuple(losses),
    )
