"""What of a scene predicts the light on an object in it."""

from __future__ import annotations

import torch
from torch import Tensor

from ...core.masks import bounding_box, empty_mask, foreground, require_scene, scene_importance
from .appearance import region_appearance

LEAST = 1.0  # pixels that a part of the scene must count for


def scene_features(image: Tensor, mask: Tensor, importance: Tensor | None = None) -> Tensor:
    """The features of the scene that predict the light on an object.

    They are the appearance of the whole background, of the object's neighborhood, and of the background's upper, middle
    and lower third, because sky, horizon and ground give different light. Where the object fills a third, or less than
    a pixel of a part counts, the whole background stands for it.

    Args:
        image: sRGB [H,W,3] in 0-1.
        mask: [H,W], 1 on the object.
        importance: [H,W], how much each pixel of the scene counts beside the others, 0 or more. None: all the same.

    Returns:
        [25], five appearances.

    Raises:
        InputError: when the mask covers nothing or everything, or the importance leaves nothing of the background.
    """
    outside = require_scene(mask)
    weights = outside if importance is None else scene_importance(importance, mask)
    row = torch.arange(len(mask), device=mask.device)[:, None] * 3 // len(mask)
    parts = [neighborhood(mask) * weights, *(weights * (row == third) for third in range(3))]
    regions = [weights, *(part if part.sum() >= LEAST else weights for part in parts)]
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
