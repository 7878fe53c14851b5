"""The instances of a picture, and which of them look like the object, as pictures (paper fig. 3)."""

from __future__ import annotations

from colorsys import hsv_to_rgb

import torch
from torch import Tensor
from torch.nn.functional import interpolate, max_pool2d

LARGEST = 1024  # of a plot's longer side, pixels
GRAY = (0.299, 0.587, 0.114)
GOLDEN = 0.618034  # turns of the color wheel from one instance to the next: they stay far apart
PAINT = 0.55  # share of an instance's color over the gray picture
DIM = 0.35  # brightness of what belongs to no instance, or does not look like the object
COLORS = "inferno"
OUTLINE = 400  # pixels of the plot's longer side for each pixel of the outline's width


def plot_instances(image: Tensor, masks: Tensor, object_mask: Tensor) -> Tensor:
    """Each instance in a color of its own over the gray picture; the object keeps its colors, in a white outline.

    Args:
        image: [H,W,3], sRGB in 0-1.
        masks: [N,h,w] in 0-1, at any size. Where they overlap, the smallest is seen.
        object_mask: [h,w] in 0-1, at any size.

    Returns:
        [H',W',3] in 0-1, of the image's shape, at most 1024 pixels. Dark: no instance.
    """
    image = _shrunk(image)
    painted = torch.zeros(*masks.shape[1:], 4)  # color, and how much of it
    for number in masks.sum((1, 2)).argsort(descending=True, stable=True).tolist():
        color = torch.tensor((*hsv_to_rgb(GOLDEN * number % 1, 0.75, 1.0), 1.0))
        painted = torch.lerp(painted, color.expand_as(painted), masks[number, ..., None])
    color, cover = _resized(painted, image).split((3, 1), dim=-1)
    gray = _gray(image)
    return _with_object(torch.lerp(DIM * gray, (1 - PAINT) * gray, cover) + PAINT * color, image, object_mask)


def plot_similarity(image: Tensor, importance: Tensor, object_mask: Tensor) -> Tensor:
    """What looks like the object is lit as a heat map over the darkened picture (paper fig. 3).

    Args:
        image: [H,W,3], sRGB in 0-1.
        importance: S, [h,w] in 0-1, at any size.
        object_mask: [h,w] in 0-1, at any size; the object keeps its colors, in a white outline.

    Returns:
        [H',W',3] in 0-1, of the image's shape, at most 1024 pixels.
    """
    from matplotlib import colormaps  # it takes a second to import

    image = _shrunk(image)
    heat = colormaps[COLORS](_resized(importance[..., None], image)[..., 0].numpy())[..., :3]
    return _with_object(DIM * _gray(image) + (1 - DIM) * torch.from_numpy(heat).float(), image, object_mask)


def _with_object(shown: Tensor, image: Tensor, object_mask: Tensor) -> Tensor:
    """The object's own pixels in a picture [H,W,3], and a white line around them."""
    inside = _resized(object_mask[..., None], image)
    width = max(1, round(max(image.shape[:2]) / OUTLINE))
    solid = (inside > 0.5).float().movedim(-1, 0)[None]
    line = max_pool2d(solid, 2 * width + 1, 1, width) > solid
    return torch.where(line[0].movedim(0, -1), 1.0, torch.lerp(shown, image, inside)).clamp(0, 1)


def _shrunk(image: Tensor) -> Tensor:
    """An image [H,W,3] of at most LARGEST pixels."""
    factor = min(1.0, LARGEST / max(image.shape[:2]))
    height, width = (max(1, round(side * factor)) for side in image.shape[:2])
    return _resized(image, image.new_zeros(height, width))


def _gray(image: Tensor) -> Tensor:
    """[H,W,3] -> [H,W,1]"""
    return (image * torch.tensor(GRAY)).sum(-1, keepdim=True)


def _resized(planes: Tensor, like: Tensor) -> Tensor:
    """[h,w,C] -> [H,W,C] on the CPU, at the size of `like`."""
    grid = planes.movedim(-1, 0)[None].float().cpu()  # where the host keeps pictures on the GPU, plots still are here
    return interpolate(grid, like.shape[:2], mode="bilinear", antialias=True)[0].movedim(0, -1)
