"""Lab, through kornia, which is loaded when it is needed: it takes longer to load than the rest of the pack."""

from __future__ import annotations

from torch import Tensor


def rgb_to_lab(image: Tensor) -> Tensor:
    """sRGB [...,3,H,W] in 0-1 to Lab of the same shape: L in 0-100, a and b around 0."""
    from kornia.color import rgb_to_lab

    return rgb_to_lab(image)


def lab_to_rgb(image: Tensor) -> Tensor:
    """Lab [...,3,H,W] to sRGB of the same shape; colors outside of sRGB are cut to 0-1."""
    from kornia.color import lab_to_rgb

    return lab_to_rgb(image)
