"""DDIM inversion as Euler steps in sigma.

Latents are kept as x = z / sqrt(alpha_bar), with sigma = sqrt((1 - alpha_bar) / alpha_bar). The deterministic
DDIM step z' = sqrt(a') (z - sqrt(1-a) eps) / sqrt(a) + sqrt(1-a') eps then reads x' = x + (sigma' - sigma) eps.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ...core.errors import InputError
from ...core.types import Callback, silent
from .contexts import Context, rows_for
from .types import Denoiser, Trajectory


def ddim_step(latent: Tensor, eps: Tensor, sigma: Tensor | float, next_sigma: Tensor | float) -> Tensor:
    """One deterministic DDIM step in model space, towards more or less noise: x' = x + (sigma' - sigma) eps."""
    return latent + (next_sigma - sigma) * eps


@torch.no_grad()
def invert(
    denoise: Denoiser,
    latent: Tensor,
    sigmas: Tensor,
    context: Context,
    *,
    fixed_point_iterations: int = 0,
    callback: Callback = silent,
) -> Trajectory:
    """DDIM inversion: from a clean latent up to the noisiest level, keeping every latent.

    The noise of a level is predicted from the latent before it (Mokady et al. 2023): in their variance-preserving
    scale the cleaner latent z stands in for the noisier one, which in model space multiplies it by
    sqrt((1 + sigma_high²) / (1 + sigma_low²)). Each fixed-point iteration predicts the noise again from the
    latent just reached; its limit is the exact inverse of the DDIM step.

    Args:
        denoise: the model's predicted noise.
        latent: [B, C, h, w], clean, model space.
        sigmas: [N+1], strictly descending, the last 0.
        context: [B, T, D] or [1, T, D], the empty prompt for the paper's inversion (guidance 0).
        fixed_point_iterations: further evaluations in each step; 0 is the paper's.
        callback: called after each of the N steps with the predicted clean latent.

    Returns:
        Every latent on the way, noisiest first.

    Raises:
        InputError: when sigmas, latent or context have another form, or the number of iterations is negative.
    """
    _require_descending(sigmas)
    if fixed_point_iterations < 0:
        raise InputError("fixed_point_iterations", f"got {fixed_point_iterations}, expected 0 or more.")
    context = _rows(context, latent)
    sigmas = sigmas.to(latent.device)
    path = [latent]
    for step, (low, high) in enumerate(zip(sigmas[1:].flip(0), sigmas[:-1].flip(0), strict=True)):
        eps = denoise(path[-1] * ((1 + high**2) / (1 + low**2)).sqrt(), high, context)
        reached = ddim_step(path[-1], eps, low, high)
        for _ in range(fixed_point_iterations):
            eps = denoise(reached, high, context)
            reached = ddim_step(path[-1], eps, low, high)
        path.append(reached)
        callback(step + 1, len(sigmas) - 1, reached - high * eps)
    return Trajectory(torch.stack(path[::-1]), sigmas)


def _require_descending(sigmas: Tensor) -> None:
    ok = sigmas.ndim == 1 and len(sigmas) >= 2 and float(sigmas[-1]) == 0 and bool((sigmas[:-1] > sigmas[1:]).all())
    if not ok:
        levels = [round(sigma, 4) for sigma in sigmas.flatten().tolist()]
        raise InputError("sigmas", f"got {levels}, expected levels that fall strictly and end in 0.")


def _rows(context: Context, latent: Tensor) -> Context:
    if latent.ndim != 4:
        raise InputError("latent", f"got shape {tuple(latent.shape)}, expected [B,C,h,w].")
    if context.ndim != 3 or context.shape[0] not in (1, len(latent)):
        raise InputError(
            "context",
            f"got shape {tuple(context.shape)}, expected [1,T,D] or [{len(latent)},T,D], one row for each latent.",
        )
    return rows_for(context, latent)
