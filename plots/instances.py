"""The instances of a picture, and who of them looks like the object, as pictures (paper fig. 3)."""

from __future__ import annotations

from colorsys import hsv_to_rgb

import torch
from torch import Tensor
from torch.nn.functional import interpolate, max_pool2d

GRAY = (0.299, 0.587, 0.114)
GOLDEN = 0.618034  # turns of the color wheel from one instance to the next: no two of the first hundred are alike
PAINT = 0.55  # share of an instance's color over the gray picture
DIM = 0.35  # brightness of what no instance holds, or of what does not look like the object
COLORS = "inferno"
OUTLINE = 400  # pixels of the picture's longer side for each pixel of the outline's width


def plot_instances(image: Tensor, masks: Tensor, object_mask: Tensor) -> Tensor:
    """Each instance in a color of its own over the gray picture; the object keeps its colors, in a white outline.

    Args:
        image: [H,W,3], sRGB in 0-1.
        masks: [N,h,w] in 0-1. Where they overlap, the smallest is seen.
        object_mask: [h,w] in 0-1.

    Returns:
        [H,W,3] in 0-1. Dark: no instance.
    """
    order = masks.sum((1, 2)).argsort(descending=True, stable=True)
    colors = torch.tensor([hsv_to_rgb(GOLDEN * number % 1, 0.75, 1.0) for number in range(len(masks))])
    painted = torch.zeros(*masks.shape[1:], 4)  # color, and how much of it
    for number in order.tolist():
        cover = masks[number, ..., None]
        painted = (1 - cover) * painted + cover * torch.cat((colors[number], torch.ones(1)))
    color, cover = _resized(painted, image).split((3, 1), dim=-1)
    gray = _gray(image)
    shown = DIM * gray * (1 - cover) + (1 - PAINT) * gray * cover + PAINT * color
    return _with_object(shown, image, object_mask)


def plot_similarity(image: Tensor, importance: Tensor, object_mask: Tensor) -> Tensor:
    """What looks like the object is lit as a heat map over the darkened picture (paper fig. 3).

    Args:
        image: [H,W,3], sRGB in 0-1.
        importance: S, [H,W] in 0-1.
        object_mask: [h,w] in 0-1; the object keeps its colors, in a white outline.

    Returns:
        [H,W,3] in 0-1.
    """
    from matplotlib import colormaps  # it takes a second to import

    heat = torch.from_numpy(colormaps[COLORS](importance.numpy())[..., :3]).float()
    return _with_object(DIM * _gray(image) + (1 - DIM) * heat, image, object_mask)


def _with_object(shown: Tensor, image: Tensor, object_mask: Tensor) -> Tensor:
    """The object's own pixels in a picture [H,W,3], and a white line around them."""
    inside = _resized(object_mask[..., None], image)
    shown = torch.lerp(shown, image, inside)
    width = max(1, round(max(image.shape[:2]) / OUTLINE))
    solid = (inside > 0.5).float().movedim(-1, 0)[None]
    wide = max_pool2d(max_pool2d(solid, (2 * width + 1, 1), 1, (width, 0)), (1, 2 * width + 1), 1, (0, width))
    return torch.where((wide > solid)[0].movedim(0, -1), 1.0, shown).clamp(0, 1)


def _gray(image: Tensor) -> Tensor:
    """[H,W,3] -> [H,W,1]"""
    return (image * torch.tensor(GRAY)).sum(-1, keepdim=True)


def _resized(planes: Tensor, image: Tensor) -> Tensor:
    """[h,w,C] -> [H,W,C], the image's size."""
    grid = planes.movedim(-1, 0)[None]
    return interpolate(grid, image.shape[:2], mode="bilinear", align_corners=False)[0].movedim(0, -1)
