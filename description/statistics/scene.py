"""What of a scene predicts the light on an object in it."""

from __future__ import annotations

import torch
from torch import Tensor

from ...core.errors import InputError
from ...core.masks import bounding_box, empty_mask, foreground
from .appearance import region_appearance


def scene_features(image: Tensor, mask: Tensor) -> Tensor:
    """The features of the scene that predict the light on an object.

    They are the appearance of the whole background, of the object's neighborhood, and of the background's upper, middle
    and lower third, because sky, horizon and ground give different light. Where the object fills a third, the whole
    background stands for it.

    Args:
        image: sRGB [H,W,3] in 0-1.
        mask: [H,W], 1 on the object.

    Returns:
        [25], five appearances.

    Raises:
        InputError: when the mask covers nothing or everything.
    """
    outside = 1 - foreground(mask).float()
    if outside.sum() < 1:
        raise InputError(
            "mask",
            "the mask covers the whole picture, so there is no background to describe. If the file is transparent "
            "around a white object, use channel alpha of LoadImageMask, then InvertMask.",
        )
    row = torch.arange(len(mask), device=mask.device)[:, None] * 3 // len(mask)
    thirds = [outside * (row == third) for third in range(3)]
    regions = [outside, neighborhood(mask), *(third if third.any() else outside for third in thirds)]
    return torch.cat([region_appearance(image, region) for region in regions])


def neighborhood(mask: Tensor) -> Tensor:
    """Weights around an object that fall off with the distance from its bounding box.

    Args:
        mask: [H,W], 1 on the object.

    Returns:
        [H,W] in 0-1, 0 on the object.

    Raises:
        InputError: when the mask is empty.
    """
    inside = foreground(mask)
    box = bounding_box(inside)
    if box is None:
        raise empty_mask()
    top, bottom, left, right = box
    y = torch.arange(mask.shape[0], device=mask.device)[:, None]
    x = torch.arange(mask.shape[1], device=mask.device)[None, :]
    reach = max(bottom - 1 - top, right - 1 - left, 8) / 2
    dy = (top - y).clamp_min(0) + (y - (bottom - 1)).clamp_min(0)
    dx = (left - x).clamp_min(0) + (x - (right - 1)).clamp_min(0)
    return torch.exp(-(dy**2 + dx**2) / (2 * reach**2)) * (~inside).float()
