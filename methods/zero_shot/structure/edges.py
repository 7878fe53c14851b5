"""The edge terms of null-text optimization (paper eq. 5-6)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ....core.errors import InputError

EdgeDetector = Callable[[Tensor], Tensor]  # [B,3,H,W] in 0-1 -> [B,n,H,W], differentiable


class EdgeLoss:
    """Σ_d w_d mean(m² (d(I) - d(I'))²): how far a picture's edges are from the composite's, inside the mask.

    Args:
        image: I, the composite, [B, 3, H, W] in 0-1.
        mask: m, [B, H, W], 1 on the foreground.
        detectors: each with its weight; the paper's are Sobel with 1 and PiDiNet with γ = 0.1.

    Raises:
        InputError: when the mask is not the image's.
    """

    def __init__(self, image: Tensor, mask: Tensor, detectors: Sequence[tuple[EdgeDetector, float]]) -> None:
        if image.ndim != 4 or mask.shape != (len(image), *image.shape[2:]):
            raise InputError(
                "mask",
                f"expected an image [B,3,H,W] and its mask [B,H,W], got {tuple(image.shape)} and {tuple(mask.shape)}.",
            )
        self.shape, self.mask, self.detectors = image.shape, mask[:, None], tuple(detectors)
        with torch.no_grad():
            self.targets = [detector(image) for detector, _ in self.detectors]

    def __call__(self, decoded: Tensor) -> Tensor:
        """The loss of each image.

        Args:
            decoded: I', [B, 3, H, W], in the scale of I; values beyond 0-1 are taken as they are.

        Returns:
            [B].

        Raises:
            InputError: when I' has another shape than I.
        """
        if decoded.shape != self.shape:
            raise InputError(
                "decoded", f"the loss was made for {tuple(self.shape)}, got a picture {tuple(decoded.shape)}."
            )
        terms = [
            weight * (self.mask * (detector(decoded) - target)).square().mean((1, 2, 3))
            for (detector, weight), target in zip(self.detectors, self.targets, strict=True)
        ]
        return torch.stack(terms).sum(0)
