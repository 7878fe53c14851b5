"""What the routed harmonizer's training makes smaller. The paper does not state its loss."""

from __future__ import annotations

from torch import Tensor

from ...data.recoloring.lab import to_lab
from ...methods.routed.transform import ColorTransform
from .sampler import Batch

LAB_UNIT = 10.0  # a distance that is plainly seen
SQUARE_UNIT = 1000.0  # squared levels of 255: the foreground error of a composite that does not belong
GLOBAL_SHARE = 0.5  # the global transform alone must serve too: it is what a .cube file holds
SMOOTHNESS = 0.1
HARM = 0.5  # an object that comes out worse than it went in counts this much more: a user sees that, not the mean


def losses(transform: ColorTransform, batch: Batch) -> dict[str, Tensor]:
    """Named terms for a batch, scalars."""
    everywhere = transform.everywhere(batch.composite)
    whole = object_errors(transform.in_place(everywhere), batch)
    return {
        "whole": whole.mean(),
        "global": GLOBAL_SHARE * object_errors(everywhere, batch).mean(),
        "harm": HARM * (whole - object_errors(batch.composite, batch)).clamp_min(0).mean(),
        "smoothness": SMOOTHNESS * roughness(transform.local),
    }


def object_errors(image: Tensor, batch: Batch) -> Tensor:
    """Of each object [B] its absolute error in Lab and its squared error in sRGB, each in a unit of its own."""
    in_lab = (to_lab(image) - to_lab(batch.truth)).abs().sum(1, keepdim=True) / LAB_UNIT
    squared = (255 * (image - batch.truth)).square().mean(1, keepdim=True) / SQUARE_UNIT
    area = batch.mask.sum((1, 2, 3)).clamp_min(1.0)
    return ((in_lab + squared) * batch.mask).sum((1, 2, 3)) / area


def roughness(local: Tensor) -> Tensor:
    """Mean absolute difference of neighbors in a map [B,C,h,w]."""
    return local.diff(dim=-1).abs().mean() + local.diff(dim=-2).abs().mean()
