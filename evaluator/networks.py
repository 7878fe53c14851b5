"""The classifiers: the paper's ResNet-50, the small embedded one on EfficientNet-Lite0, and a probe on its features.

All take [B,4,256,256], RGB in [-1,1] and the mask, and return logits [B,2] of (inharmonious, harmonious).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d

from ..core.efficientnet import BLOCK_WIDTHS, EfficientNetLite0

SIDE = 256  # of the square that the classifiers take, pixels
CHANNELS = 4
CLASSES = 2

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


class RegionNetwork(HarmonyNetwork):
    """EfficientNet-Lite0 whose maps, shallow and deep, are averaged over the object and over the scene, and compared.

    It looks at the square at half size: harmony is a matter of areas, and what is finer, such as the mask's teeth and
    the traces of JPEG, tells where a picture comes from rather than whether it fits together. The logits are the mean
    over the square and its mirror image.
    """

    reduction = 2

    def __init__(self) -> None:
        super().__init__()
        self.body = EfficientNetLite0(CHANNELS)
        features = 2 * (6 + sum(BLOCK_WIDTHS[tap] for tap in TAPS))
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


class WholePictureClassifier(HarmonyNetwork):
    """DiffHarmony's harmony classifier (Zhou et al., ACM MM 2024): a linear probe on the whole picture's features.

    The backbone is frozen: here the body of the embedded evaluator, which is shown no mask. Of each of its maps the
    probe sees mean and deviation. Its classes are (harmonious, unharmonious), as in the paper.
    """

    reduction = 2

    def __init__(self) -> None:
        super().__init__()
        self.body = EfficientNetLite0(CHANNELS)
        self.probe = nn.Linear(2 * sum(BLOCK_WIDTHS[tap] for tap in TAPS), CLASSES)

    def classify(self, reduced: Tensor) -> Tensor:
        return self.probe(self.features(reduced)).flip(-1)

    def features(self, reduced: Tensor) -> Tensor:
        """Mean and deviation [B,F] of the maps of pictures [B,4,128,128]; their mask is not looked at."""
        maps = self.body(torch.cat((reduced[:, :3], torch.zeros_like(reduced[:, 3:])), dim=1))
        pooled = (torch.std_mean(maps[tap], dim=(2, 3), correction=0) for tap in TAPS)
        return torch.cat([moment for pair in pooled for moment in pair], dim=1)


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
