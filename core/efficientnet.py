"""EfficientNet-Lite0's convolutions: the backbone of every small network that the pack carries."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from .errors import InputError

# EfficientNet-Lite0 (Tan and Le 2019, without squeeze-and-excitation and with ReLU6; the "lite" variants of the
# official implementation): (kernel, stride, expansion, output channels, repeats).
STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
STEM = 32
BLOCK_WIDTHS = tuple(out for *_, out, repeats in STAGES for _ in range(repeats))  # channels of every block's output


class SameConv2d(nn.Conv2d):
    """A convolution with TensorFlow's "SAME" padding, which puts the odd pixel at the end."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (the name of the class it extends)
        kernel, stride = self.kernel_size[0], self.stride[0]
        height, width = (max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in input.shape[-2:])
        return super().forward(pad(input, (width // 2, width - width // 2, height // 2, height - height // 2)))


def normalization(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project; the names of the parts are those of the published PyTorch weights."""

    def __init__(self, channels: int, kernel: int, stride: int, expansion: int, out: int) -> None:
        super().__init__()
        wide = channels * expansion
        self.expands, self.is_residual = expansion != 1, stride == 1 and channels == out
        if self.expands:
            self.expand_conv = nn.Conv2d(channels, wide, 1, bias=False)
            self.bn0 = normalization(wide)
        self.depthwise_conv = SameConv2d(wide, wide, kernel, stride, groups=wide, bias=False)
        self.bn1 = normalization(wide)
        self.project_conv = nn.Conv2d(wide, out, 1, bias=False)
        self.bn2 = normalization(out)
        self.activation = nn.ReLU6()

    def forward(self, x: Tensor) -> Tensor:
        y = self.activation(self.bn0(self.expand_conv(x))) if self.expands else x
        y = self.activation(self.bn1(self.depthwise_conv(y)))
        y = self.bn2(self.project_conv(y))
        return x + y if self.is_residual else y


class EfficientNetLite0(nn.Module):
    """The convolutions of EfficientNet-Lite0, without its classes: [B,C,H,W] -> the maps of every block.

    Args:
        channels: of the input; the published weights are for RGB in [-1,1].
        depth: blocks that are built, from the first.
    """

    def __init__(self, channels: int = 3, depth: int = len(BLOCK_WIDTHS)) -> None:
        super().__init__()
        self.conv_stem = SameConv2d(channels, STEM, 3, 2, bias=False)
        self.bn0 = normalization(STEM)
        self.activation = nn.ReLU6()
        width, blocks = STEM, []
        for kernel, stride, expansion, out, repeats in STAGES:
            for index in range(repeats):
                blocks.append(InvertedResidual(width, kernel, stride if index == 0 else 1, expansion, out))
                width = out
        self.blocks = nn.ModuleList(blocks[:depth])

    def forward(self, x: Tensor) -> list[Tensor]:
        x, maps = self.activation(self.bn0(self.conv_stem(x))), []
        for block in self.blocks:
            x = block(x)
            maps.append(x)
        return maps


def widened_state(body: EfficientNetLite0, published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Published ImageNet weights of EfficientNet-Lite0 as a state of `body`, whose further channels start at zero.

    Args:
        body: takes RGB in [-1,1], as the published weights do, and perhaps more channels after it.
        published: PyTorch names with leading underscores. Its classes are left aside.

    Raises:
        InputError: when the weights are of another network.
    """
    state = {re.sub(r"(^|\.)_", r"\1", name): value for name, value in published.items()}
    own = body.state_dict()
    stem = state.get("conv_stem.weight")
    if stem is None or stem.shape[1] != 3 or not own.keys() <= state.keys():
        raise InputError(
            "state",
            f"the initial backbone has {len(state)} tensors, first {next(iter(state), 'none')}; expected those of an "
            f"EfficientNet-Lite0 of RGB pictures in the published PyTorch layout (_conv_stem.weight, ...).",
        )
    further = torch.zeros_like(own["conv_stem.weight"][:, 3:])
    return {name: state[name] for name in own} | {"conv_stem.weight": torch.cat((stem, further), dim=1)}
