"""Harmony-VAE: a VAE's decoder that is shown the composite, so that details survive."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import silu


class HarmonyVAE(nn.Module):
    """A decoder, an encoder for the composite, and convolutions from this encoder into the decoder.

    The convolutions are new and start at zero: then the decoder gives what it gave before.

    Args:
        encoder: for the composite. It has the parts of the latent diffusion's first encoder by their names: `conv_in`,
            `down` with `block` and `downsample`, `mid` with `block_1`, `attn_1` and `block_2`, `norm_out`, `conv_out`.
        decoder: likewise, with `up` and `upsample`, and one block more on every level.
        quant_conv: behind the encoder.
        post_quant_conv: before the decoder.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module, quant_conv: nn.Module, post_quant_conv: nn.Module):
        super().__init__()
        self.conditional_encoder: Any = encoder  # host classes: their parts have no types
        self.decoder: Any = decoder
        self.quant_conv, self.post_quant_conv = quant_conv, post_quant_conv
        levels = self.decoder.up
        sources = [self.conditional_encoder.conv_in.out_channels]
        for level in self.conditional_encoder.down:
            sources += [block.out_channels for block in level.block]
            if hasattr(level, "downsample"):
                sources.append(level.block[-1].out_channels)
        deepest, latent = sources[-1], self.decoder.conv_in.in_channels
        targets = [block.out_channels for level in levels for block in level.block]
        self.mask_conv = _at_zero(nn.Conv2d(1, sources[0], 3, padding=1))
        self.skips = nn.ModuleList(
            _at_zero(nn.Conv2d(source, target, 1)) for source, target in zip(sources, targets, strict=True)
        )
        self.mid_skip = _at_zero(nn.Conv2d(deepest, deepest, 1))
        self.latent_skip = _at_zero(nn.Conv2d(latent, latent, 1))

    def forward(self, latent: Tensor, condition: Tensor, mask: Tensor) -> Tensor:
        """A picture.

        Args:
            latent: [B,4,h,w], as a VAE gives it, not scaled for the UNet.
            condition: the composite [B,3,8h,8w] in [-1,1].
            mask: [B,1,8h,8w], 0 or 1, 1 on the object.

        Returns:
            [B,3,8h,8w] in about [-1,1].
        """
        features = self.descend(condition, mask)
        return self.ascend(self.middle(latent, features[-1]), features)

    def descend(self, condition: Tensor, mask: Tensor) -> list[Tensor]:
        """The encoder's features of the composite, from the first to the deepest: one for each skip."""
        encoder = self.conditional_encoder
        features = [encoder.conv_in(condition) + self.mask_conv(mask)]
        for level in encoder.down:
            for block in level.block:
                features.append(block(features[-1]))
            if hasattr(level, "downsample"):
                features.append(level.downsample(features[-1]))
        return features

    def middle(self, latent: Tensor, deepest: Tensor) -> Tensor:
        """The decoder's features at the latent's size, from a latent and the encoder's deepest features.

        The composite's latent is the mode of its distribution, not a sample, so that a picture repeats.
        """
        encoder, decoder = self.conditional_encoder, self.decoder
        features = _through(encoder.mid, deepest)
        moments = self.quant_conv(encoder.conv_out(silu(encoder.norm_out(features))))
        mode = moments.chunk(2, dim=1)[0]
        start = self.post_quant_conv(latent) + self.latent_skip(self.post_quant_conv(mode))
        return _through(decoder.mid, decoder.conv_in(start)) + self.mid_skip(features)

    def ascend(self, hidden: Tensor, features: list[Tensor]) -> Tensor:
        """The picture, from the decoder's features at the latent's size and the encoder's of all sizes."""
        decoder, number = self.decoder, len(features)
        for level in reversed(decoder.up):
            for block in level.block:
                number -= 1
                hidden = block(hidden) + self.skips[number](features[number])
            if hasattr(level, "upsample"):
                hidden = level.upsample(hidden)
        return decoder.conv_out(silu(decoder.norm_out(hidden)))


def _through(mid: Any, hidden: Tensor) -> Tensor:
    return mid.block_2(mid.attn_1(mid.block_1(hidden)))


def _at_zero(convolution: nn.Conv2d) -> nn.Conv2d:
    with torch.no_grad():
        for weight in convolution.parameters():
            weight.zero_()
    return convolution
