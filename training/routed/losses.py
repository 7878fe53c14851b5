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


def losses(transform: ColorTransform, batch: Batch) -> dict[str, Tensor]:
    """Named terms for a batch, scalars."""
    everywhere = transform.everywhere(batch.composite)
    whole = transform.in_place(everywhere)
    return {
        "whole": object_error(whole, batch),
        "global": GLOBAL_SHARE * object_error(everywhere, batch),
        "smoothness": SMOOTHNESS * roughness(transform.local),
    }


def object_error(image: Tensor, batch: Batch) -> Tensor:
    """Mean over objects of their absolute error in Lab and their squared error in sRGB, each in a unit of its own."""
    in_lab = (to_lab(image) - to_lab(batch.truth)).abs().sum(1, keepdim=True) / LAB_UNIT
    squared = (255 * (image - batch.truth)).square().mean(1, keepdim=True) / SQUARE_UNIT
    area = batch.mask.sum((1, 2, 3)).clamp_min(1.0)
    return (((in_lab + squared) * batch.mask).sum((1, 2, 3)) / area).mean()


def roughness(local: Tensor) -> Tensor:
    """Mean absolute difference of neighbors in a map [B,C,h,w]."""
    return local.diff(dim=-1).abs().mean() + local.diff(dim=-2).abs().mean()
