"""The two pictures that a vision-language model is shown: the composite and its mask, small and without metadata."""

from __future__ import annotations

import io
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

SIDE = 1024  # of the longer side, pixels


@dataclass(frozen=True)
class Pictures:
    composite: bytes  # JPEG
    mask: bytes  # PNG, white on the pasted object
    size: tuple[int, int]  # (width, height), the same for both


def to_picture(values: Tensor) -> Image.Image:
    """[H,W,3] or [H,W] in 0-1 as an 8-bit picture."""
    return Image.fromarray((values.clamp(0, 1) * 255).round().to("cpu", torch.uint8).numpy())


def composite_and_mask(image: Tensor, mask: Tensor, side: int = SIDE) -> tuple[Image.Image, Image.Image]:
    """Composite and mask as pictures of the same size.

    Args:
        image: sRGB [H,W,3] in 0-1.
        mask: [H,W] in 0-1, 1 on the pasted object.
        side: pixels; larger pictures are scaled down until their longer side has so many.
    """
    composite, region = to_picture(image), to_picture(mask)
    composite.thumbnail((side, side), Image.Resampling.LANCZOS)
    return composite, region.resize(composite.size, Image.Resampling.BOX)


def encode_pictures(image: Tensor, mask: Tensor, side: int = SIDE) -> Pictures:
    """Composite and mask as files without metadata; arguments as for `composite_and_mask`."""
    composite, region = composite_and_mask(image, mask, side)
    return Pictures(
        _file(composite, "JPEG", quality=95, subsampling=0), _file(region, "PNG", optimize=True), composite.size
    )


def _file(picture: Image.Image, kind: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()
