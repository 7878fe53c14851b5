"""Attention-controlled editing along an inversion (prompt-to-prompt), by direct inversion or by guidance."""

from __future__ import annotations

import logging
import math

import torch
from torch import Tensor

from ...attention.sharing import ShareAttention
from ...core.errors import InputError
from ...core.types import Callback, silent
from .contexts import Context, each, join_rows
from .inversion import ddim_step
from .paths import require_refined, require_same_path
from .types import Denoiser, NullText, RefinedEmbedding, Trajectory

logger = logging.getLogger(__name__)

StepRange = tuple[float, float]  # [start, end) as fractions of the steps
ALL_STEPS: StepRange = (0.0, 1.0)


@torch.no_grad()
def edit_direct(
    denoise: Denoiser,
    trajectory: Trajectory,
    refined: RefinedEmbedding,
    *,
    strength: float = 1.0,
    cross_steps: StepRange = ALL_STEPS,
    self_steps: StepRange = ALL_STEPS,
    callback: Callback = silent,
) -> Tensor:
    """Edits by direct inversion in its closed form: ε = ε* + g (ε(target) - ε(source)).

    ε* is the noise that carries the stored latent z_i to the stored z_{i+1}. It needs no null text and no guidance,
    and the source is exact by construction. The target's difference d from the trajectory obeys
    d_{i+1} = d_i + (σ_{i+1} - σ_i) g (ε(z_i + d_i, target) - ε(z_i, source)). This difference is what is integrated:
    where it is 0, the result equals the inverted latent bit for bit.

    Args:
        denoise: evaluated once in each step, on 2B rows, sources first.
        trajectory: of B images.
        refined: contexts of the source and the target.
        strength: g; 0 returns the composite's latent.
        cross_steps: the steps whose cross-attention maps come from the source, as fractions [start, end).
        self_steps: the same for self-attention; an early end lets the target's structure change.
        callback: called after each of the N steps with the predicted clean target.

    Returns:
        The edited latent [B, C, h, w].

    Raises:
        InputError: when `refined` belongs to another trajectory, the strength is no number, or a range of steps is not
            0 <= start <= end <= 1.
    """
    if not math.isfinite(strength):
        raise InputError("strength", f"got {strength}, expected a number; 0 changes nothing.")
    require_refined(trajectory, refined)
    latents, steps, batch = trajectory.latents, trajectory.steps, trajectory.latent_shape[0]
    sigmas = trajectory.sigmas.to(latents.device)
    shared = _SharedSteps(cross_steps, self_steps, steps)
    sources, targets = range(batch), range(batch, 2 * batch)
    difference = torch.zeros_like(latents[0])
    for step in range(steps):
        sigma, next_sigma = sigmas[step], sigmas[step + 1]
        eps_source, eps_target = denoise(
            torch.cat([latents[step], latents[step] + difference]),
            sigma,
            join_rows([refined.source[step], refined.target[step]]).to(latents),
            shared.control(step, sources, targets),
        ).chunk(2)
        eps = strength * (eps_target - eps_source)
        eps_star = (latents[step + 1] - latents[step]) / (next_sigma - sigma)
        preview = latents[step] + difference - sigma * (eps_star + eps)
        difference = ddim_step(difference, eps, sigma, next_sigma)
        callback(step + 1, steps, preview)
    return latents[-1] + difference


@torch.no_grad()
def edit_guided(
    denoise: Denoiser,
    trajectory: Trajectory,
    refined: RefinedEmbedding,
    null_text: NullText | None = None,
    *,
    guidance_scale: float = 2.5,
    cross_steps: StepRange = ALL_STEPS,
    self_steps: StepRange = ALL_STEPS,
    callback: Callback = silent,
) -> Tensor:
    """Edits by classifier-free guidance: ε = ε(null) + s (ε(target) - ε(null)), as the paper does.

    At each step the source row is put back on the inverted trajectory, where null-text optimization would carry it.
    So it needs no unconditional row of its own: 3B rows, (target with the null text, target, source). Attention is
    shared between the conditional rows alone; in steps that share none, the source's rows have no use and are left out.

    Args:
        denoise: evaluated once in each step, on 3B rows, or on 2B where no attention is shared.
        trajectory: of B images.
        refined: contexts of the source and the target.
        null_text: the unconditional embedding of each step. Without it the empty prompt's, and the edit drifts from
            the composite.
        guidance_scale: s; the null text holds for the scale that it was optimized for.
        cross_steps: the steps whose cross-attention maps come from the source, as fractions [start, end).
        self_steps: the same for self-attention.
        callback: called after each of the N steps with the predicted clean target.

    Returns:
        The edited latent [B, C, h, w].

    Raises:
        InputError: when `refined` or `null_text` belongs to another trajectory, or a range of steps is not
            0 <= start <= end <= 1.
    """
    require_refined(trajectory, refined)
    latents, steps, batch = trajectory.latents, trajectory.steps, trajectory.latent_shape[0]
    null = _null_embeddings(trajectory, refined, null_text, guidance_scale)
    sigmas = trajectory.sigmas.to(latents.device)
    shared = _SharedSteps(cross_steps, self_steps, steps)
    targets, sources = range(batch, 2 * batch), range(2 * batch, 3 * batch)
    target = latents[0]
    for step in range(steps):
        sigma, next_sigma = sigmas[step], sigmas[step + 1]
        control = shared.control(step, sources, targets)
        rows, texts = [target, target], [null[step], refined.target[step]]
        if control is not None:
            rows, texts = [*rows, latents[step]], [*texts, refined.source[step]]
        eps = denoise(torch.cat(rows), sigma, join_rows([text.to(latents) for text in texts]), control)
        eps_null, eps_target = eps[: 2 * batch].chunk(2)
        eps = eps_null + guidance_scale * (eps_target - eps_null)
        preview = target - sigma * eps
        target = ddim_step(target, eps, sigma, next_sigma)
        callback(step + 1, steps, preview)
    return target


class _SharedSteps:
    """Which attention is shared at which step."""

    def __init__(self, cross: StepRange, self_: StepRange, steps: int) -> None:
        for parameter, (start, end) in (("cross_steps", cross), ("self_steps", self_)):
            if not 0 <= start <= end <= 1:
                raise InputError(parameter, f"got ({start}, {end}), expected 0 <= start <= end <= 1.")
        self.cross, self.self_, self.steps = cross, self_, steps

    def control(self, step: int, sources: range, targets: range) -> ShareAttention | None:
        position = step / self.steps
        cross, self_ = (start <= position < end for start, end in (self.cross, self.self_))
        return ShareAttention(sources, targets, cross=cross, self_=self_) if cross or self_ else None


def _null_embeddings(
    trajectory: Trajectory, refined: RefinedEmbedding, null_text: NullText | None, guidance_scale: float
) -> Context:
    if null_text is None:
        return each(lambda x: x.expand(trajectory.steps, *x.shape), refined.negative)
    require_same_path("null_text", null_text.sigmas, null_text.latent_shape, trajectory)
    if null_text.embeddings.shape != refined.source.shape:
        raise InputError(
            "null_text",
            f"it has embeddings {tuple(null_text.embeddings.shape)}, the refined contexts are "
            f"{tuple(refined.source.shape)}. Both must come from the same trajectory and text encoder.",
        )
    if null_text.guidance_scale != guidance_scale:
        logger.warning(
            "The guidance scale is %g, but the null text was optimized for %g: the edit will drift from the composite.",
            guidance_scale,
            null_text.guidance_scale,
        )
    return null_text.embeddings
