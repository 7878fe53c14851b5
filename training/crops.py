"""Squares cut out of photographs, as a training keeps them in memory and on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from kornia.filters import gaussian_blur2d
from torch import Tensor
from torch.nn.functional import avg_pool2d, max_pool2d

from ..core.files import replacing
from ..data.photos import Photo

# A photo's image [H,W,3] and mask [H,W], 0 or 1 -> its squares: images [1,3,S,S] and masks [1,1,S,S] in 0-1.
Cutter = Callable[[Tensor, Tensor], Iterable[tuple[Tensor, Tensor]]]


@dataclass(frozen=True)
class Crops:
    """Squares as uint8, and what they are, a row each."""

    images: Tensor  # [N,3,S,S]
    masks: Tensor  # [N,1,S,S]; a training may lay more planes below the object's
    objects: list[str]
    natural: Tensor  # [N], bool
    ids: list[str]  # of their photos

    def squares(self, rows: Tensor | Sequence[int]) -> tuple[Tensor, Tensor]:
        """Images [R,3,S,S] and masks [R,1,S,S] of some rows, in 0-1."""
        return self.images[rows].float() / 255, self.masks[rows].float() / 255

    def halved(self) -> Crops:
        """The same squares at half the side."""
        images, masks = (avg_pool2d(x.float(), 2).round().byte() for x in (self.images, self.masks))
        return replace(self, images=images, masks=masks)


def collect_crops(photos: Sequence[Photo], cutter: Cutter) -> Crops:
    """The squares of all photos.

    Raises:
        ValueError: when there are none.
    """
    return join_squares(
        (photo, photo.object, *square) for photo in photos for square in cutter(photo.image(), photo.foreground())
    )


def join_squares(squares: Iterable[tuple[Photo, str, Tensor, Tensor]]) -> Crops:
    """Squares with their photo, the name of their object, their image [1,3,S,S] and their planes [1,P,S,S] in 0-1.

    Raises:
        ValueError: when there are none.
    """
    images, masks, photos, objects = [], [], [], []
    for photo, name, image, planes in squares:
        images.append(as_bytes(image))
        masks.append(as_bytes(planes))
        photos.append(photo)
        objects.append(name)
    if not photos:
        raise ValueError("The photos give no square with a fair share of object and of background.")
    natural, ids = torch.tensor([photo.natural for photo in photos]), [photo.id for photo in photos]
    return Crops(torch.cat(images), torch.cat(masks), objects, natural, ids)


def as_bytes(values: Tensor) -> Tensor:
    """Values in 0-1 as `Crops` keeps them."""
    return (values * 255).round().byte()


def cached_crops(path: Path, cut: Callable[[], Crops]) -> Crops:
    """What `cut` returns, read from `path` when it was called before."""
    if not path.is_file():
        with replacing(path) as temporary:
            torch.save(vars(cut()), temporary)
    return Crops(**torch.load(path, weights_only=True))


def batch_seed(seed: int, step: int) -> int:
    """The seed of a step's batch: batches depend on these two alone."""
    return seed * 1_000_003 + step


def with_moved_edge(mask: Tensor, chance: float) -> Tensor:
    """A mask [B,1,S,S] as people draw them: a pixel too wide, too narrow, soft or as it is, by a chance in 0-1."""
    if chance < 0.2:
        return max_pool2d(mask, 3, 1, 1)
    if chance < 0.4:
        return -max_pool2d(-mask, 3, 1, 1)
    return gaussian_blur2d(mask, (5, 5), (1.2, 1.2)) if chance < 0.6 else mask
