"""What the evaluator's training makes smaller."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from .sampler import VERSIONS

SHARPNESS = 6.0  # of the order: versions two ranks apart are told apart four times in five


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
