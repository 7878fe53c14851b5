"""Refusing what was made along another trajectory."""

from __future__ import annotations

import torch
from torch import Tensor

from ...core.errors import InputError
from .types import RefinedEmbedding, Trajectory


def require_refined(trajectory: Trajectory, refined: RefinedEmbedding) -> None:
    """Refuse a refined embedding that belongs to another trajectory.

    Raises:
        InputError: when its latents, its steps or the number of its contexts differ.
    """
    require_same_path("refined", refined.sigmas, refined.latent_shape, trajectory)
    steps, batch = trajectory.steps, trajectory.latent_shape[0]
    for name in ("source", "target"):
        context = getattr(refined, name)
        if tuple(context.shape[:2]) != (steps, batch):
            raise InputError(
                "refined",
                f"got {name} contexts {tuple(context.shape)}, the trajectory needs [{steps}, {batch}, T, D]. Give the "
                f"embedding that was refined along this trajectory.",
            )


def require_same_path(parameter: str, sigmas: Tensor, latent_shape: tuple[int, ...], trajectory: Trajectory) -> None:
    """Refuse a value that was made along other noise levels or for other latents than the trajectory's.

    Args:
        parameter: the name that the calling function has for the value.
        sigmas: [N+1], the value's noise levels.
        latent_shape: (B, C, h, w), of the latents that it was made for.
        trajectory: the one that it has to belong to.

    Raises:
        InputError: when they differ.
    """
    if tuple(latent_shape) != trajectory.latent_shape:
        raise InputError(
            parameter,
            f"it was made for latents {tuple(latent_shape)}, the trajectory has {trajectory.latent_shape}. Both must "
            f"come from the same inversion.",
        )
    same = sigmas.shape == trajectory.sigmas.shape and torch.allclose(
        sigmas.to(trajectory.sigmas), trajectory.sigmas, rtol=1e-5, atol=0
    )
    if not same:
        raise InputError(
            parameter,
            f"it was made for {len(sigmas) - 1} steps from sigma {float(sigmas[0]):.4g}, the trajectory has "
            f"{trajectory.steps} from {float(trajectory.sigmas[0]):.4g} (or other levels between). Both must come from "
            f"the same inversion.",
        )
