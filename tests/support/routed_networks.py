"""Routed networks that propose something, and what they are shown."""

import torch
from torch import nn

from diff_harmonization.methods.routed.network import SIDE, Architecture, RoutedNetwork
from diff_harmonization.methods.routed.transform import LOCAL, TERMS, ColorTransform
from diff_harmonization.training.routed.train import start
from diff_harmonization.training.settings import RoutedSettings

ARCHITECTURES = tuple(
    Architecture(importance, transformer) for importance in (True, False) for transformer in (True, False)
)


def lively_network(architecture=ARCHITECTURES[0], seed=0) -> RoutedNetwork:
    """A network before its training, whose last layers are random in place of zero."""
    torch.manual_seed(seed)
    network = start(RoutedSettings(importance=architecture.importance, transformer=architecture.transformer))
    nn.init.normal_(network.head[-1].weight, std=0.05)
    nn.init.normal_(network.local_head.weight, std=0.05)
    return network.eval().requires_grad_(False)


def random_transform(batch=1, size=(16, 16), amount=0.1, seed=0) -> ColorTransform:
    generator = torch.Generator().manual_seed(seed)
    center = torch.tensor([55.0, 5.0, -8.0]).reshape(1, 3, 1, 1).expand(batch, -1, -1, -1)
    curve = amount * torch.randn(batch, 3, TERMS, generator=generator)
    return ColorTransform(center, curve, amount * torch.randn(batch, LOCAL, *size, generator=generator))


def squares(batch=2, seed=0):
    """Picture, mask and importance as the network takes them; the object is a box."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(batch, 3, 8, 8, generator=generator).repeat_interleave(SIDE // 8, 2)
    image = (image.repeat_interleave(SIDE // 8, 3) + 0.1 * torch.rand(batch, 3, SIDE, SIDE, generator=generator)) / 1.1
    mask = torch.zeros(batch, 1, SIDE, SIDE)
    mask[..., 40:90, 30:100] = 1
    importance = torch.rand(batch, 1, 8, 8, generator=generator)
    importance = importance.repeat_interleave(SIDE // 8, 2).repeat_interleave(SIDE // 8, 3)
    return image, mask, torch.maximum(mask, importance)
