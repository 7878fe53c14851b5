"""What a region looks like, in five numbers in Lab: mean L*, a*, b*, mean chroma and the standard deviation of L*."""

from __future__ import annotations

import torch
from torch import Tensor

from ...core.lab import rgb_to_lab

AXES: tuple[str, ...] = ("lightness", "red_green", "yellow_blue", "chroma", "contrast")


def region_appearance(image: Tensor, mask: Tensor) -> Tensor:
    """Appearance of the masked region.

    Args:
        image: sRGB [...,H,W,3] in 0-1.
        mask: [...,H,W], weights, 0 or more.

    Returns:
        [...,5] along AXES, in Lab units.
    """
    lab = rgb_to_lab(image.movedim(-1, -3))
    weight = mask / mask.sum(dim=(-1, -2), keepdim=True).clamp_min(1e-6)
    mean = (lab * weight.unsqueeze(-3)).sum(dim=(-1, -2))
    chroma = (lab[..., 1:, :, :].norm(dim=-3) * weight).sum(dim=(-1, -2))
    spread = (((lab[..., 0, :, :] - mean[..., 0, None, None]) ** 2) * weight).sum(dim=(-1, -2)).sqrt()
    return torch.cat((mean, chroma[..., None], spread[..., None]), dim=-1)
