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
    import cv2

    painted = foreground(mask)
    box = bounding_box(painted)
    if box is None:
        return None
    top, bottom, left, right = box
    margin = math.ceil(4 * BAND * math.sqrt(float(painted.sum()))) + 2  # of scene, around the object
    rows = slice(max(0, top - margin), min(mask.shape[0], bottom + margin))
    columns = slice(max(0, left - margin), min(mask.shape[1], right + margin))
    scale = min(1.0, SIDE / max(rows.stop - rows.start, columns.stop - columns.start))
    pixels = _resized(image[rows, columns].movedim(-1, 0).float(), scale)
    paint = (_resized(painted[rows, columns][None].float(), scale)[0] > 0.5).numpy().astype(np.uint8)
    width = max(2, round(BAND * math.sqrt(paint.sum())))
    disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * width + 1, 2 * width + 1))
    known = np.full(paint.shape, cv2.GC_BGD, np.uint8)
    known[cv2.dilate(paint, disk) > 0] = cv2.GC_PR_BGD
    known[paint > 0] = cv2.GC_PR_FGD
    known[cv2.erode(paint, disk) > 0] = cv2.GC_FGD
    if not (known == cv2.GC_BGD).any():
        return None
    cv2.setRNGSeed(0)  # it clusters colors from random starts
    models = np.zeros((1, 65)), np.zeros((1, 65))
    shown = np.ascontiguousarray((pixels.clamp(0, 1) * 255).round().byte().movedim(0, -1).numpy()[..., ::-1])
    cv2.grabCut(shown, known, (0, 0, 0, 0), *models, ROUNDS, cv2.GC_INIT_WITH_MASK)
    found = (known == cv2.GC_FGD) | (known == cv2.GC_PR_FGD)
    if (found & (paint > 0)).sum() < LEAST_LIKE * (found | (paint > 0)).sum():
        return None
    whole = torch.zeros_like(mask, dtype=torch.float32, device="cpu")
    size = (rows.stop - rows.start, columns.stop - columns.start)
    planes = torch.from_numpy(found.astype(np.float32))[None, None]
    whole[rows, columns] = interpolate(planes, size, mode="bilinear", align_corners=False)[0, 0]
    return whole.to(mask)


def _resized(planes: Tensor, scale: float) -> Tensor:
    """[C,H,W] on the CPU at a share of its size."""
    planes = planes.cpu()
    if scale == 1:
        return planes
    size = [max(1, round(scale * length)) for length in planes.shape[-2:]]
    return interpolate(planes[None], size, mode="bilinear", antialias=True)[0]
