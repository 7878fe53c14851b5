"""The two classifiers: the paper's ResNet-50, and the small embedded one on EfficientNet-Lite0.

Both take [B,4,256,256], RGB in [-1,1] and the mask, and return logits [B,2] of (inharmonious, harmonious).
"""

from __future__ import annotations

import re

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d, pad

from ..core.errors import InputError

SIDE = 256  # of the square that the classifiers take, pixels
CHANNELS = 4
CLASSES = 2

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
TAPS = (0, 2, 4, 10, 15)  # blocks whose outputs are compared: the last at strides 2, 4, 8, 16 and 32
HIDDEN = 256


class HarmonyNetwork(nn.Module):
    """A classifier of the square; `reduction` is the whole factor by which it shrinks the square at once."""

    reduction = 1

    def forward(self, square: Tensor) -> Tensor:
        """[B,4,256,256] -> logits [B,2]."""
        return self.classify(avg_pool2d(square, self.reduction))

    def classify(self, reduced: Tensor) -> Tensor:
        """[B,4,256/reduction,256/reduction] -> logits [B,2]; what training calls."""
        raise NotImplementedError


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
    """The convolutions of EfficientNet-Lite0, without its classes: [B,C,H,W] -> the maps of every block."""

    def __init__(self, channels: int = CHANNELS) -> None:
        super().__init__()
        self.conv_stem = SameConv2d(channels, STEM, 3, 2, bias=False)
        self.bn0 = normalization(STEM)
        self.activation = nn.ReLU6()
        width, blocks = STEM, []
        for kernel, stride, expansion, out, repeats in STAGES:
            for index in range(repeats):
                blocks.append(InvertedResidual(width, kernel, stride if index == 0 else 1, expansion, out))
                width = out
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x: Tensor) -> list[Tensor]:
        x, maps = self.activation(self.bn0(self.conv_stem(x))), []
        for block in self.blocks:
            x = block(x)
            maps.append(x)
        return maps


class RegionNetwork(HarmonyNetwork):
    """EfficientNet-Lite0 whose maps, shallow and deep, are averaged over the object and over the scene, and compared.

    It looks at the square at half size: harmony is a matter of areas, and what is finer, such as the mask's teeth and
    the traces of JPEG, tells where a picture comes from rather than whether it fits together. The logits are the mean
    over the square and its mirror image.
    """

    reduction = 2

    def __init__(self) -> None:
        super().__init__()
        self.body = EfficientNetLite0()
        widths = [out for *_, out, repeats in STAGES for _ in range(repeats)]
        features = 2 * (6 + sum(widths[tap] for tap in TAPS))
        self.head = nn.Sequential(
            nn.BatchNorm1d(features), nn.Linear(features, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, CLASSES)
        )

    def forward(self, square: Tensor) -> Tensor:
        return (super().forward(square) + super().forward(square.flip(-1))) / 2

    def classify(self, reduced: Tensor) -> Tensor:
        colors, mask, maps = reduced[:, :3], reduced[:, 3:], self.body(reduced)
        compared = [torch.cat((colors, colors.square()), dim=1), *(maps[tap] for tap in TAPS)]
        return self.head(torch.cat([region_means(values, mask) for values in compared], dim=1))


def region_means(values: Tensor, mask: Tensor) -> Tensor:
    """Means [B,2C] of values [B,C,h,w] inside and outside of a mask [B,1,H,W]."""
    inside = adaptive_avg_pool2d(mask, (values.shape[-2], values.shape[-1]))
    means = [(values * part).sum((2, 3)) / part.sum((2, 3)).clamp_min(1e-3) for part in (inside, 1 - inside)]
    return torch.cat(means, dim=1)


class ResNet50(HarmonyNetwork):
    """ResNet-50 with a stem of four channels, as the paper's evaluator; parameters named as torchvision and timm do."""

    def __init__(self) -> None:
        super().__init__()
        from torchvision.models import resnet50

        body = resnet50(num_classes=CLASSES)
        self.conv1 = nn.Conv2d(CHANNELS, 64, 7, 2, 3, bias=False)
        for name, part in body.named_children():
            if name != "conv1":
                self.add_module(name, part)

    def classify(self, reduced: Tensor) -> Tensor:
        x = reduced
        for name, part in self.named_children():
            x = part(x.flatten(1) if name == "fc" else x)
        return x


def with_pretrained(network: RegionNetwork, state: dict[str, Tensor]) -> RegionNetwork:
    """Start from published ImageNet weights of EfficientNet-Lite0, which too take RGB in [-1,1].

    The mask's channel starts at zero. The published classes are left aside.

    Args:
        network: its body takes the weights.
        state: PyTorch names with leading underscores.

    Raises:
        InputError: when the weights are of another network.
    """
    state = {re.sub(r"(^|\.)_", r"\1", name): value for name, value in state.items()}
    own = network.body.state_dict()
    stem = state.get("conv_stem.weight")
    if stem is None or stem.shape[1] != CHANNELS - 1 or not own.keys() <= state.keys():
        raise InputError(
            "state",
            f"the initial backbone has {len(state)} tensors, first {next(iter(state), 'none')}; expected those of an "
            f"EfficientNet-Lite0 of RGB pictures in the published PyTorch layout (_conv_stem.weight, ...).",
        )
    widened = {"conv_stem.weight": torch.cat((stem, torch.zeros_like(stem[:, :1])), dim=1)}
    network.body.load_state_dict({name: state[name] for name in own} | widened)
    return network
