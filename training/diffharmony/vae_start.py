"""A VAE before its first step that keeps the colors: its latents are the means of small squares, and it decodes them.

A network of random weights spends most of its training on learning this much. Everything else starts as is usual:
residual branches at zero, the other channels at random.

Group normalization forgets how bright a picture is. So a color c goes through the network as the four channels
(c, -c, K, -K): their mean is 0, and their deviation is nearly K's. Behind the normalization
silu(c) - silu(-c) = c brings the color back.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ...mini.diffharmony.vae import GROUPS, LATENT
from ..mini.network import initialize

CONSTANT = 8.0  # K
CARRIED = 12  # channels: four for each color
LOG_VARIANCE = -6.0  # of the latents
# Red, green and blue in [-1,1] -> brightness and two differences, each of about unit variance in photographs.
OPPONENT = torch.tensor([[0.7, 0.7, 0.7], [5.0, -5.0, 0.0], [2.5, 2.5, -5.0]])


@torch.no_grad()
def start_with_colors(network: Any) -> None:
    """Give the host's VAE its first weights, in place."""
    initialize(network)
    for name, parameter in network.named_parameters():
        if name.endswith("conv2.weight"):  # the last of a residual branch
            nn.init.zeros_(parameter)
    encoder, decoder = network.encoder, network.decoder
    _spread(encoder.conv_in, torch.eye(3))
    for level in (*encoder.down, *decoder.up):
        for block in level.block:
            if block.in_channels != block.out_channels:
                _carry(block.nin_shortcut, 1)
        if hasattr(level, "downsample"):
            _carry(level.downsample.conv, 2)
        if hasattr(level, "upsample"):
            _carry(level.upsample.conv, 1)
    _gather(encoder, OPPONENT)
    _spread(decoder.conv_in, torch.linalg.inv(OPPONENT))
    _gather(decoder, torch.eye(3))
    for convolution in (network.quant_conv, network.post_quant_conv):
        nn.init.dirac_(convolution.weight)
    nn.init.constant_(network.quant_conv.bias[LATENT:], LOG_VARIANCE)


def _spread(convolution: nn.Conv2d, colors: Tensor) -> None:
    """Four channels for each color, a mixture [3,3] of the first three inputs; the others stay random."""
    weight, bias = convolution.weight, convolution.bias
    assert bias is not None, "the host's have one"
    middle = weight.shape[-1] // 2
    weight[:CARRIED] = 0
    for color, row in enumerate(colors):
        first = 4 * color
        weight[first, :3, middle, middle], weight[first + 1, :3, middle, middle] = row, -row
        bias[first + 2], bias[first + 3] = CONSTANT, -CONSTANT


def _carry(convolution: nn.Conv2d, taps: int) -> None:
    """The carried channels as they are, or as means of 2x2 pixels."""
    weight, side = convolution.weight, convolution.weight.shape[-1]
    first = 0 if taps > 1 else side // 2
    weight[:CARRIED] = 0
    for channel in range(CARRIED):
        weight[channel, channel, first : first + taps, first : first + taps] = 1 / taps**2


def _gather(part: Any, mixture: Tensor) -> None:
    """The last convolution undoes the normalization and mixes the colors; random features reach the others only."""
    convolution, norm = part.conv_out, part.norm_out
    weight, middle = convolution.weight, convolution.weight.shape[-1] // 2
    group = norm.num_channels // GROUPS
    constants = min(group, CARRIED) // 2  # of a group that holds colors
    deviation = CONSTANT * (constants / group) ** 0.5
    weight[: len(mixture)] = 0
    for color in range(3):
        for channel, sign in ((4 * color, 1), (4 * color + 1, -1)):
            weight[: len(mixture), channel, middle, middle] = sign * deviation * mixture[:, color]
