"""What cameras, files and resizing do to a picture, so that no trace of a recoloring tells of it."""

from __future__ import annotations

import torch
from kornia.filters import gaussian_blur2d
from torch import Generator, Tensor
from torch.nn.functional import interpolate
from torchvision.io import decode_jpeg, encode_jpeg

SHARE = 0.35  # share of pictures that get each kind of damage
NOISE = 0.02  # the most, as a standard deviation
BLUR = 0.3, 1.0  # pixels
SHRINKING = 0.5, 0.95
QUALITY = 40, 95  # of JPEG


def degrade(image: Tensor, generator: Generator) -> Tensor:
    """A picture [3,H,W] in 0-1, resized, blurred, made noisy and compressed, each by chance and by a chance amount."""
    resized, blurred, noisy, compressed = (torch.rand(4, generator=generator) < SHARE).tolist()
    shrinking, blur, noise, quality = torch.rand(4, generator=generator).tolist()
    if resized:
        image = _shrunk_and_back(image, _between(SHRINKING, shrinking))
    if blurred:
        sigma = _between(BLUR, blur)
        image = gaussian_blur2d(image[None], (5, 5), (sigma, sigma))[0]
    if noisy:
        image = image + noise * NOISE * torch.randn(image.shape, generator=generator)
    image = image.clamp(0, 1)
    return _through_jpeg(image, round(_between(QUALITY, quality))) if compressed else image


def _shrunk_and_back(image: Tensor, factor: float) -> Tensor:
    size = image.shape[-2:]
    small = [max(8, round(factor * side)) for side in size]
    shrunk = interpolate(image[None], small, mode="bilinear", align_corners=False, antialias=True)
    return interpolate(shrunk, size, mode="bilinear", align_corners=False)[0]


def _through_jpeg(image: Tensor, quality: int) -> Tensor:
    pixels = decode_jpeg(encode_jpeg((image * 255).round().byte(), quality))
    assert isinstance(pixels, Tensor), "a list comes of a list alone"
    return pixels.float() / 255


def _between(ends: tuple[float, float], share: float) -> float:
    return ends[0] + share * (ends[1] - ends[0])
