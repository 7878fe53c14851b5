"""A VAE's upsampling with fewer products: each pixel of the smaller picture is multiplied 16 times, not 36."""

from __future__ import annotations

from typing import Any

import comfy.ops
from comfy.ldm.modules.diffusionmodules.model import Upsample
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, pad


class FusedUpsample(nn.Module):
    """Nearest upsampling by 2 and the 3x3 convolution after it, as one transposed convolution of 4x4.

    The convolution sees each pixel of the smaller picture in four places, often under neighbouring weights: these are
    added once, beforehand. Results and gradients are equal but for rounding, and the large picture is never made.

    Args:
        conv: Conv2d of 3x3 with a border of one pixel of zeros.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        weight = conv.weight
        options: dict[str, Any] = {"bias": conv.bias is not None, "dtype": weight.dtype, "device": weight.device}
        self.conv = comfy.ops.disable_weight_init.ConvTranspose2d(
            conv.in_channels, conv.out_channels, 4, stride=2, padding=1, **options
        )
        self.conv.weight = nn.Parameter(transposed_weight(weight).contiguous(), requires_grad=False)
        self.conv.bias = conv.bias

    def forward(self, x: Tensor, *_carried: Any) -> Tensor:
        """[B,C,h,w] to [B,C',2h,2w]; what the host's videos carry from frame to frame is not read."""
        return self.conv(x)


def transposed_weight(weight: Tensor) -> Tensor:
    """[C',C,3,3] of a convolution after nearest upsampling to [C,C',4,4] of the transposed convolution of stride 2."""
    sums = 4 * avg_pool2d(pad(weight.flip(-2, -1), (1, 1, 1, 1)), 2, stride=1)
    return sums.transpose(0, 1)


def fuse_upsampling(network: nn.Module) -> None:
    """Puts `FusedUpsample` in the place of a private VAE's upsampling layers, where they are such as it can replace."""
    for parent in list(network.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, Upsample) and _replaceable(layer):
                setattr(parent, name, FusedUpsample(layer.conv))


def _replaceable(layer: Any) -> bool:
    conv = getattr(layer, "conv", None)
    return (
        isinstance(conv, nn.Conv2d)
        and (conv.kernel_size, conv.padding, conv.stride) == ((3, 3), (1, 1), (1, 1))
        and getattr(layer, "scale_factor", 2) == 2
    )
