"""Semantic routed transformer blocks (STB, paper sec. 3.3): channel attention, weighed by who looks like the object.

The form is Restormer's (Zamir et al. 2022, arXiv 2111.09881): multi-transposed attention, then a gated feed-forward.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, normalize

EXPANSION = 2  # of the feed-forward's width


class ChannelNorm(nn.Module):
    """Layer normalization over the channels of every pixel, without an offset."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        centered = x - x.mean(1, keepdim=True)
        return self.scale * centered * (centered.square().mean(1, keepdim=True) + 1e-5).rsqrt()


class RoutedAttention(nn.Module):
    """Attention of channels to channels, C/heads x C/heads, with the importance S routed into K and V (eq. 1-2).

    S multiplies K before its normalization over the pixels. So S weighs pixels against each other in the channels'
    correlation, and how large S is as a whole does not change the attention. In V it stays: pixels that do not look
    like the object are left as they are.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.scale = nn.Parameter(torch.ones(heads, 1, 1))
        self.to_qkv = nn.Conv2d(channels, 3 * channels, 1, bias=False)
        self.filter_qkv = nn.Conv2d(3 * channels, 3 * channels, 3, padding=1, groups=3 * channels, bias=False)
        self.project = nn.Conv2d(channels, channels, 1, bias=False)

    def forward(self, x: Tensor, importance: Tensor) -> Tensor:
        """x: [B,C,h,w], importance: [B,1,h,w] in 0-1."""
        q, k, v = self.filter_qkv(self.to_qkv(x)).chunk(3, dim=1)
        q, k, v = (self._heads(values) for values in (q, k * importance, v * importance))
        attention = (self.scale * normalize(q, dim=-1) @ normalize(k, dim=-1).mT).softmax(-1)
        return self.project((attention @ v).reshape(x.shape))

    def _heads(self, x: Tensor) -> Tensor:
        """[B,C,h,w] -> [B,heads,C/heads,h*w]."""
        return x.flatten(2).unflatten(1, (self.heads, -1))


class GatedFeedForward(nn.Module):
    """Two filtered paths, of which one opens and closes the other."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        wide = 2 * EXPANSION * channels
        self.expand = nn.Conv2d(channels, wide, 1, bias=False)
        self.filter = nn.Conv2d(wide, wide, 3, padding=1, groups=wide, bias=False)
        self.project = nn.Conv2d(wide // 2, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate, values = self.filter(self.expand(x)).chunk(2, dim=1)
        return self.project(gelu(gate) * values)


class RoutedBlock(nn.Module):
    """STB: routed attention and gated feed-forward, each on top of what came in."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.before_attention, self.before_forward = ChannelNorm(channels), ChannelNorm(channels)
        self.attention, self.feed_forward = RoutedAttention(channels, heads), GatedFeedForward(channels)

    def forward(self, x: Tensor, importance: Tensor) -> Tensor:
        x = x + self.attention(self.before_attention(x), importance)
        return x + self.feed_forward(self.before_forward(x))


class PlainBlock(nn.Module):
    """What the ablation has in the STB's place (paper table 3): two gated feed-forwards, which see neighbors only."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(ChannelNorm(channels) for _ in range(2))
        self.parts = nn.ModuleList(GatedFeedForward(channels) for _ in range(2))

    def forward(self, x: Tensor, importance: Tensor) -> Tensor:
        for norm, part in zip(self.norms, self.parts, strict=True):
            x = x + part(norm(x))
        return x
