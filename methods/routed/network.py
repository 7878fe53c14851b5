"""The harmonizer's network: a convolutional encoder, a decoder of routed blocks, and a color transform."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, interpolate

from ...core.efficientnet import BLOCK_WIDTHS, EfficientNetLite0
from ...core.lab import rgb_to_lab
from .blocks import PlainBlock, RoutedBlock
from .transform import LOCAL, TERMS, UNIT, ColorTransform

SIDE = 128  # of the square that the network sees, pixels
CHANNELS = 4  # RGB and the mask
TAPS = (0, 2, 4, 10, 15)  # blocks of the encoder whose maps are averaged: the last at strides 2, 4, 8, 16 and 32
LEVELS = ((15, 160, 1), (10, 128, 2), (4, 96, 2))  # of the decoder, from deep: block of the encoder, width, blocks
HEADS = 4
AVERAGED = 6 + LEVELS[-1][1] + sum(BLOCK_WIDTHS[tap] for tap in TAPS)  # channels whose means a region has
HIDDEN = 256
LOCAL_SCALE = 0.1  # of the local head: a local change starts small and stays so


@dataclass(frozen=True)
class Architecture:
    """What the ablation of the paper's table 3 takes away."""

    importance: bool = True  # ISEM: S in the blocks, and in one more average over the scene
    transformer: bool = True  # STB, else plain blocks


class RoutedNetwork(nn.Module):
    """EfficientNet-Lite0 on the square around the object, then routed blocks at strides 32, 16 and 8.

    The global transform comes from averages over the object, over the scene, and over what of the scene looks like the
    object; the local one from the decoder's map at stride 8.
    """

    def __init__(self, architecture: Architecture = Architecture()) -> None:  # noqa: B008 (it is frozen)
        super().__init__()
        self.architecture = architecture
        block = RoutedBlock if architecture.transformer else PlainBlock
        self.body = EfficientNetLite0(CHANNELS)
        self.joins, self.levels = nn.ModuleList(), nn.ModuleList()
        above = 0
        for tap, width, depth in LEVELS:
            self.joins.append(nn.Conv2d(above + BLOCK_WIDTHS[tap], width, 1))
            self.levels.append(nn.ModuleList(block(width, HEADS) for _ in range(depth)))
            above = width
        regions = 3 if architecture.importance else 2
        self.head = nn.Sequential(
            nn.LayerNorm(regions * AVERAGED),
            nn.Linear(regions * AVERAGED, HIDDEN),
            nn.GELU(),
            nn.Linear(HIDDEN, HIDDEN),
            nn.GELU(),
            nn.Linear(HIDDEN, 3 * TERMS),
        )
        self.local_head = nn.Conv2d(above, LOCAL, 1)
        for layer in (self.head[-1], self.local_head):
            for parameter in layer.parameters():
                nn.init.zeros_(parameter)

    def forward(self, image: Tensor, mask: Tensor, importance: Tensor) -> ColorTransform:
        """The transform that makes the object belong.

        Args:
            image: squares around the object [B,3,128,128], sRGB in 0-1.
            mask: [B,1,128,128] in 0-1, 1 on the object.
            importance: S, [B,1,128,128] in 0-1. Without importance in the architecture it is not looked at.
        """
        maps = self.body(torch.cat((image * 2 - 1, mask), dim=1))
        routed = importance if self.architecture.importance else torch.ones_like(importance)
        decoded = self._decode(maps, routed)
        regions = [mask, 1 - mask]
        if self.architecture.importance:
            regions.append((1 - mask) * importance)
        lab = rgb_to_lab(image) / UNIT
        averaged = [torch.cat((lab, lab.square()), dim=1), *(maps[tap] for tap in TAPS), decoded]
        means = torch.cat([region_means(values, regions) for values in averaged], dim=1)
        center = UNIT * region_means(lab, [mask])[..., None, None]
        return ColorTransform(center, self.head(means).unflatten(1, (3, TERMS)), LOCAL_SCALE * self.local_head(decoded))

    def _decode(self, maps: list[Tensor], importance: Tensor) -> Tensor:
        """The map [B,96,16,16] at stride 8."""
        x: Tensor | None = None
        for (tap, *_), join, level in zip(LEVELS, self.joins, self.levels, strict=True):
            size = (maps[tap].shape[-2], maps[tap].shape[-1])
            lifted = [] if x is None else [interpolate(x, size, mode="bilinear", align_corners=False)]
            x = join(torch.cat([*lifted, maps[tap]], dim=1))
            for block in level.children():
                x = block(x, adaptive_avg_pool2d(importance, size))
        assert x is not None
        return x


def region_means(values: Tensor, regions: list[Tensor]) -> Tensor:
    """Means [B,R*C] of values [B,C,h,w] under R weights [B,1,H,W]; 0 for a weight that is 0 everywhere."""
    size = (values.shape[-2], values.shape[-1])
    weights = [adaptive_avg_pool2d(region, size) for region in regions]
    return torch.cat([(values * w).sum((2, 3)) / w.sum((2, 3)).clamp_min(1e-3) for w in weights], dim=1)
