"""Batches of the choice that the evaluator has to make in the pack: how much of a harmonizer's change to make.

The change is proposed by a network that has not seen the photo, see `halves`. So it is wrong as often as it is for
pictures that nobody has seen, and its full strength is not always the best.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...host.judged import JUDGED
from ...methods.routed.harmonizer import Network
from ..crops import Crops, batch_seed
from ..routed.losses import HARM, object_errors
from ..routed.sampler import MUCH_GRADED, Sampler
from .proposals import inputs_of, versions_of

SPREAD = 0.15  # deviation of what the shares are shares of: networks go too far, or not far enough


@dataclass(frozen=True)
class Tried:
    """The squares of half of the photos, and the network that learned from the other half and is tried on them."""

    crops: Crops
    network: Network


class ChoiceSampler:
    """Endless batches from the routed harmonizer's squares, of one half and the other in turn."""

    def __init__(self, halves: Sequence[Tried], seed: int) -> None:
        self.seed, self.networks = seed, [half.network for half in halves]
        self.samplers = [Sampler(half.crops, seed, MUCH_GRADED) for half in halves]

    @torch.no_grad()
    def batch(self, step: int, groups: int, side: int) -> tuple[Tensor, Tensor]:
        """`groups` composites, each with the shares JUDGED of the change that the network proposes for it.

        Returns:
            Inputs [groups*C,4,side,side], a composite's C versions together, and what each version costs, [groups,C].
        """
        turn = step % len(self.samplers)
        batch = self.samplers[turn].batch(step, groups)
        transform = self.networks[turn](batch.seen, batch.seen_mask, batch.importance).hues_apart()
        dice = torch.Generator().manual_seed(batch_seed(self.seed, step))
        whole = (1 + SPREAD * torch.randn((groups, 1, 1, 1), generator=dice)).clamp_min(0)
        images = versions_of(batch, transform, [share * whole for share in JUDGED])
        errors = torch.stack([object_errors(image, batch) for image in images], dim=1)
        costs = errors + HARM * (errors - errors[:, :1]).clamp_min(0)
        return inputs_of(batch, images, side), costs
