"""What any method has to beat: doing nothing, the host's ColorTransfer, and a regression of the foreground's color."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from ..data.composites import Pasted
from ..data.pairs import Pair
from ..data.photos import Photo, read_natural
from ..data.recoloring.lab import to_lab, to_rgb
from ..description.statistics.appearance import region_appearance

Method = Callable[[Pasted], Tensor]  # the result [H,W,3] in 0-1
PairMethod = Callable[[Pair], Tensor]  # one that may also look at the truth
RIDGE = 30.0


def nothing(pasted: Pasted) -> Tensor:
    return pasted.composite


def paste(pasted: Pasted, recolored: Tensor) -> Tensor:
    """The composite with the foreground taken from `recolored` [H,W,3]."""
    return torch.where(pasted.mask[..., None] > 0, recolored, pasted.composite)


def shift_mean(pasted: Pasted, shift: Tensor) -> Tensor:
    """The composite with its foreground moved by a Lab shift [3]."""
    lab = to_lab(pasted.composite.movedim(-1, 0)[None])
    return paste(pasted, to_rgb(lab + shift[:, None, None])[0].movedim(0, -1))


def color_transfer(method: str) -> Method:
    """The host's ColorTransfer node, foreground <- background; method: "reinhard_lab" or "mkl_lab"."""
    from comfy_extras.nodes_post_processing import ColorTransfer

    def apply(pasted: Pasted) -> Tensor:
        inside = pasted.mask > 0
        foreground, background = pasted.composite[inside], pasted.composite[~inside]
        matched = ColorTransfer.execute(
            foreground[None, None], background[None, None], method, {"source_stats": "per_frame"}, 1.0
        )[0]
        result = pasted.composite.clone()
        result[inside] = matched[0, 0].clamp(0, 1)
        return result

    return apply


class MeanRegression:
    """Ridge regression from (object name, background Lab statistics) to the foreground's mean Lab."""

    def __init__(self, photos: list[Photo]) -> None:
        self.names = sorted({photo.object for photo in photos})
        features, means = [], []
        for photo in photos:
            image, mask = photo.image(), photo.foreground()
            features.append(self.features(photo.object, image, mask))
            means.append(region_appearance(image, mask)[:3])
        x, y = torch.stack(features), torch.stack(means)
        self.center, self.spread, self.offset = x.mean(0), x.std(0).clamp_min(1e-6), y.mean(0)
        x = (x - self.center) / self.spread
        gram = x.T @ x + RIDGE * torch.eye(x.shape[1])
        self.weights = torch.linalg.solve(gram, x.T @ (y - self.offset))

    def features(self, name: str, image: Tensor, mask: Tensor) -> Tensor:
        one_hot = torch.tensor([float(name == other) for other in self.names])
        return torch.cat((one_hot, region_appearance(image, 1 - mask)))

    def predict(self, pasted: Pasted) -> Tensor:
        x = (self.features(pasted.object, pasted.composite, pasted.mask) - self.center) / self.spread
        return x @ self.weights + self.offset

    def half_way(self, pasted: Pasted) -> Tensor:
        actual = region_appearance(pasted.composite, pasted.mask)[:3]
        return shift_mean(pasted, 0.5 * (self.predict(pasted) - actual))


def regression(photos: Path) -> MeanRegression:
    return MeanRegression(read_natural(photos, "train"))


def oracle_mean(pair: Pair) -> Tensor:
    """The foreground moved so that its mean Lab is the truth's: what a perfect mean shift would reach."""
    true, actual = (region_appearance(x, pair.mask)[:3] for x in (pair.truth, pair.composite))
    return shift_mean(pair, true - actual)
