"""Batches of what a harmonizer proposes, to train its judge on: the changes that it will have to choose among.

A recoloring leaves an object's look in one direction. A proposal moves it to where a network expects it, which looks
plausible whether it is right or not. So the judge sees proposals at several strengths, and how far each lies from the
true photo.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ...data.recoloring.lab import FULL_STRENGTH, mean_distance
from ...methods.routed.harmonizer import Network
from ...methods.routed.transform import ColorTransform
from ..crops import Crops
from ..routed.sampler import Batch, Sampler
from .sampler import VERSIONS

NOTHING, MOST_STRENGTH = 0.5, 1.2  # share of the first versions that are the composite itself; strengths of the others


class ProposalSampler:
    """Endless batches from the routed harmonizer's squares; its state is a seed and a step."""

    def __init__(self, crops: Crops, network: Network, seed: int) -> None:
        self.sampler, self.network = Sampler(crops, seed), network

    @torch.no_grad()
    def batch(self, step: int, groups: int, side: int) -> tuple[Tensor, Tensor]:
        """`groups` composites in VERSIONS versions each: inputs [groups*VERSIONS,4,side,side], soft labels in 0-1."""
        batch = self.sampler.batch(step, groups)
        transform = self.network(batch.seen, batch.seen_mask, batch.importance)
        dice = torch.Generator().manual_seed(step)
        strengths = []
        for version in range(VERSIONS):
            strength = MOST_STRENGTH * torch.rand((groups, 1, 1, 1), generator=dice)
            if version == 0:
                strength *= torch.rand((groups, 1, 1, 1), generator=dice) > NOTHING
            strengths.append(strength)
        images = versions_of(batch, transform, strengths)
        labels = [1 - (mean_distance(image, batch.truth, batch.mask) / FULL_STRENGTH).clamp_max(1) for image in images]
        return inputs_of(batch, images, side), torch.stack(labels, dim=1).flatten()


def versions_of(batch: Batch, transform: ColorTransform, strengths: Iterable[Tensor]) -> list[Tensor]:
    """The composites [B,3,S,S] changed by each of some strengths, each [B,1,1,1]."""
    changes = (
        replace(transform, curve=transform.curve * strength[..., 0], local=transform.local * strength)
        for strength in strengths
    )
    return [torch.lerp(batch.composite, change(batch.composite), batch.mask) for change in changes]


def inputs_of(batch: Batch, images: Sequence[Tensor], side: int) -> Tensor:
    """V versions of a batch's composites as the evaluator sees them, [B*V,4,side,side], a composite's together."""
    inputs = torch.stack([torch.cat((image * 2 - 1, batch.seen_mask), dim=1) for image in images], dim=1)
    kind = "area" if side < batch.mask.shape[-1] else "bilinear"
    return interpolate(inputs.flatten(0, 1), (side, side), mode=kind)
