"""A painted mask brought to the object's edge: nobody paints to the pixel.

A pasted object differs from the scene, so its edge can be found by color: GrabCut (Rother et al., SIGGRAPH 2004), as
OpenCV has it, in a band around the paint's edge.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from .masks import bounding_box, foreground
from .view import Rectangle, padded, scaled

BAND = 0.06  # how far off the paint's edge may be, of the root of its area
SIDE = 900  # pixels, the longer side at which the edge is sought
ROUNDS = 4
LEAST_LIKE = 0.6  # intersection over union of both masks: with less, something else was found than was painted


def snapped(image: Tensor, mask: Tensor) -> Tensor | None:
    """A mask whose edge lies where the object's is.

    Args:
        image: [H,W,3], sRGB in 0-1.
        mask: [H,W] in 0-1, painted over the object, a little too wide or too narrow.

    Returns:
        [H,W] in 0-1, soft by a pixel or two where the picture is large. None where no edge was found that resembles
        the paint's, or the paint leaves nothing around it to compare with.

    Raises:
        ModuleNotFoundError: without OpenCV.
    """
    painted = foreground(mask).cpu()
    box = bounding_box(painted)
    if box is None:
        return None
    region = _about(box, painted)
    scale = min(1.0, SIDE / max(region.height, region.width))
    pixels = scaled(region.of(image.movedim(-1, 0)).cpu().float(), scale)
    paint = (scaled(region.of(painted)[None].float(), scale)[0] > 0.5).numpy()
    found = _object(pixels, paint)
    if found is None or (found & paint).sum() < LEAST_LIKE * (found | paint).sum():
        return None
    plane, whole = torch.from_numpy(found)[None, None].float(), torch.zeros(mask.shape)
    size = (region.height, region.width)
    region.of(whole).copy_(interpolate(plane, size, mode="bilinear", align_corners=False)[0, 0])
    return whole.to(mask)


def _about(box: tuple[int, int, int, int], painted: Tensor) -> Rectangle:
    """The paint's box, and as much of the scene around it as tells its colors."""
    return padded(box, painted.shape, math.ceil(4 * BAND * math.sqrt(float(painted.sum()))) + 2)


def _object(pixels: Tensor, paint: np.ndarray) -> np.ndarray | None:
    """What of a picture [3,h,w] in 0-1 is the object, [h,w], by its paint [h,w]; None where no scene is left."""
    import cv2

    width = max(2, round(BAND * math.sqrt(paint.sum())))
    disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * width + 1, 2 * width + 1))
    painted = paint.astype(np.uint8)
    known = np.full(paint.shape, cv2.GC_BGD, np.uint8)
    known[cv2.dilate(painted, disk) > 0] = cv2.GC_PR_BGD
    known[paint] = cv2.GC_PR_FGD
    known[cv2.erode(painted, disk) > 0] = cv2.GC_FGD
    if not (known == cv2.GC_BGD).any():
        return None
    cv2.setRNGSeed(0)  # it clusters colors from random starts
    shown = np.ascontiguousarray((pixels.clamp(0, 1) * 255).round().byte().movedim(0, -1).numpy()[..., ::-1])
    cv2.grabCut(shown, known, (0, 0, 0, 0), np.zeros((1, 65)), np.zeros((1, 65)), ROUNDS, cv2.GC_INIT_WITH_MASK)
    return (known == cv2.GC_FGD) | (known == cv2.GC_PR_FGD)
