"""What the evaluator's training makes smaller."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from .sampler import VERSIONS

SHARPNESS = 6.0  # of the order: versions two ranks apart are told apart four times in five
DECISION = 4.0  # of the choice: the best of equals but for a quarter of a logit is taken one time in two
CHOICE_WEIGHT = 2.0


def soft_label_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy of logits [B,2] against soft labels [B], 1 = harmonious."""
    return functional.cross_entropy(logits, torch.stack((1 - labels, labels), dim=1))


def order_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy of which of two versions of one photo is the better, surer the farther apart their labels are.

    logits: [G*VERSIONS,2], labels: [G*VERSIONS], a photo's versions together.
    """
    margin = (logits[:, 1] - logits[:, 0]).unflatten(0, (-1, VERSIONS))
    first, second = torch.triu_indices(VERSIONS, VERSIONS, 1)
    labels = labels.unflatten(0, (-1, VERSIONS))
    better = (SHARPNESS * (labels[:, first] - labels[:, second])).sigmoid()
    return functional.binary_cross_entropy_with_logits(margin[:, first] - margin[:, second], better)


def choice_loss(logits: Tensor, costs: Tensor) -> Tensor:
    """What it costs more than the best choice to choose among versions of a composite by their scores.

    Costs of two versions may differ by little, and labels hardly: a choice weighs them by what they cost alone.

    logits: [G*C,2], a composite's C versions together; costs: [G,C].
    """
    margin = (logits[:, 1] - logits[:, 0]).view_as(costs)
    chosen = (DECISION * margin).softmax(1)
    return CHOICE_WEIGHT * ((chosen * costs).sum(1) - costs.amin(1)).mean()
