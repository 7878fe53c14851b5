"""Refusing what was made along another trajectory."""

from __future__ import annotations

import torch
from torch import Tensor

from .types import RefinedEmbedding, Trajectory


def require_refined(trajectory: Trajectory, refined: RefinedEmbedding, node: str) -> None:
    """Refuse a refined embedding that belongs to another trajectory.

    Raises:
        ValueError: when its latents, its steps or the number of its contexts differ.
    """
    require_same_path("refined", refined.sigmas, refined.latent_shape, trajectory, node)
    expected = (trajectory.steps, trajectory.latent_shape[0])
    for name in ("source", "target"):
        context = getattr(refined, name)
        if tuple(context.shape[:2]) != expected:
            raise ValueError(
                f"{node}: `refined` has {name} contexts {tuple(context.shape)}, `trajectory` needs "
                f"[{expected[0]}, {expected[1]}, T, D]; connect the RefineEmbedding that ran on this trajectory."
            )


def require_same_path(
    name: str, sigmas: Tensor, latent_shape: tuple[int, ...], trajectory: Trajectory, node: str
) -> None:
    """Refuse an input `name` whose noise levels [N+1] or latent shape (B, C, h, w) are not the trajectory's.

    Raises:
        ValueError: when they differ.
    """
    if tuple(latent_shape) != trajectory.latent_shape:
        raise ValueError(
            f"{node}: `{name}` was made for latents {tuple(latent_shape)}, `trajectory` has {trajectory.latent_shape}; "
            f"connect the same DDIMInvert to both."
        )
    same = sigmas.shape == trajectory.sigmas.shape and torch.allclose(
        sigmas.to(trajectory.sigmas), trajectory.sigmas, rtol=1e-5, atol=0
    )
    if not same:
        raise ValueError(
            f"{node}: `{name}` was made for {len(sigmas) - 1} steps from sigma {float(sigmas[0]):.4g}, `trajectory` "
            f"has {trajectory.steps} from {float(trajectory.sigmas[0]):.4g} (or other levels between); connect the "
            f"same DDIMInvert to both."
        )
