"""Sobel edges (S of paper eq. 5)."""

from __future__ import annotations

from torch import Tensor


def sobel_edges(image: Tensor) -> Tensor:
    """The gradient's magnitude in each channel, differentiable everywhere.

    Eq. 5 prints a signed sum of the two derivatives, in which edges of opposite directions cancel; the magnitude is
    meant.

    Args:
        image: [B, C, H, W], in about [0, 1].

    Returns:
        [B, C, H, W], by kornia's normalized kernels: a ramp's magnitude is its slope.

    Example:
        >>> import torch
        >>> ramp = torch.linspace(0, 1, 5).expand(1, 1, 5, 5)
        >>> [round(x, 2) for x in sobel_edges(ramp)[0, 0, 2].tolist()]
        [0.13, 0.25, 0.25, 0.25, 0.13]
    """
    from kornia.filters import sobel  # takes longer to load than the rest of the pack

    return sobel(image)
