"""The squares of photographs that the routed harmonizer learns from: picture, object, and who looks like it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ...core.masks import mask_on_grid
from ...data.photos import Photo, read_natural, read_photos
from ...data.recoloring.families import FAMILIES
from ...methods.routed.harmonizer import seen_square
from ...methods.routed.instances import Instances, embed, find_instances, small_picture
from ...methods.routed.similarity import importance_map
from ..crops import Crops, join_squares
from ..evaluator.crops import SHARES, random_square
from ..halves import halves
from ..settings import Half

SEGMENT = "segment"  # the name of objects that are a part of a photo, found by instances
SEGMENT_SHARES = 0.01, 0.3  # of the picture: the least and the most
MOST_STRENGTH = 1.2

Square = tuple[Tensor, Tensor]  # image [1,3,S,S] and, below each other, mask and importance [1,2,S,S]


def cut_crops(photos: Sequence[Photo], backbone: nn.Module, per_photo: int, generator: random.Random) -> Crops:
    """Squares about the objects of natural photos, and about parts of all photos that stand for objects.

    The importance is that of a recolored object: no part of it can tell the true colors.

    Args:
        photos: of both kinds.
        backbone: see `find_instances`.
        per_photo: squares of each object, and half as many of other parts of its photo.
        generator: of places, parts and recolorings.

    Returns:
        Squares whose masks have two channels: the object, and the importance.

    Raises:
        ValueError: when no square is left.
    """
    return join_squares(
        (photo, name, *square) for photo in photos for name, square in _squares(photo, backbone, per_photo, generator)
    )


def _squares(
    photo: Photo, backbone: nn.Module, per_photo: int, generator: random.Random
) -> Iterator[tuple[str, Square]]:
    image, mask = photo.image(), photo.foreground()
    instances = find_instances(_recolored(image, mask, generator), mask, backbone)
    if photo.natural:
        importance = importance_map(instances, image.shape[:2])
        for _ in range(per_photo):
            yield from ((photo.object, square) for square in _square(image, mask, importance, generator))
    low, high = (share * instances.object_mask.numel() for share in SEGMENT_SHARES)
    parts = [row for row, area in enumerate(instances.masks.sum((1, 2)).tolist()) if low < area < high]
    for row in generator.sample(parts, min(len(parts), per_photo // 2)):
        plane = (_resized(instances.masks[row], image) > 0.5).float()
        part = _as_object(instances, row, _embedding(_recolored(image, plane, generator), plane, backbone))
        importance = importance_map(part, image.shape[:2])
        yield from ((SEGMENT, square) for square in _square(image, plane, importance, generator))


def _square(image: Tensor, mask: Tensor, importance: Tensor, generator: random.Random) -> Iterator[Square]:
    """A random square around the object, if it shows a fair share of it."""
    square = random_square(mask, generator)
    pixels, plane, similar = seen_square(image, mask, importance, square)
    if SHARES[0] < plane.mean() < SHARES[1]:
        yield pixels, torch.cat((plane, similar), dim=1)


def _recolored(image: Tensor, mask: Tensor, generator: random.Random) -> Tensor:
    """The photo [H,W,3] with its object in other colors."""
    family = generator.choice(list(FAMILIES.values()))
    strength = torch.full((1, 1, 1, 1), generator.uniform(0, MOST_STRENGTH))
    pixels, plane = image.movedim(-1, 0)[None], mask[None, None]
    changed = family(pixels, plane, strength, torch.Generator().manual_seed(generator.getrandbits(32)))
    return torch.lerp(pixels, changed, plane)[0].movedim(0, -1)


def _embedding(image: Tensor, mask: Tensor, backbone: nn.Module) -> Tensor:
    """What a part [H,W] of a picture [H,W,3] looks like, [C]."""
    small, plane = small_picture(image, mask)
    features = backbone(small)
    return embed(features, mask_on_grid(plane[None], features.shape[-2:]))[0]


def _as_object(instances: Instances, row: int, embedding: Tensor) -> Instances:
    """One of the instances as the object, with an embedding of its own, and the object as one of the others."""
    masks, embeddings = instances.masks.clone(), instances.embeddings.clone()
    masks[row], embeddings[row] = instances.object_mask, instances.object_embedding
    return replace(
        instances,
        masks=masks,
        embeddings=embeddings,
        object_mask=instances.masks[row],
        object_embedding=embedding,
    )


def _resized(plane: Tensor, image: Tensor) -> Tensor:
    """A plane [h,w] at the size of an image [H,W,3]."""
    return interpolate(plane[None, None], image.shape[:2], mode="bilinear", align_corners=False)[0, 0]


def training_photos(folder: Path, half: Half | None = None) -> list[Photo]:
    """The natural photos that no benchmark sets aside, and the composites that not even the evaluator does.

    Args:
        folder: photo set.
        half: only that half of the natural photos that the evaluator learns from, see `halves`.

    Raises:
        FileNotFoundError: when the folder has no index.csv.
    """
    if half is not None:
        return halves(read_natural(folder, "evaluator_train"))[half]
    return read_natural(folder, "train") + [
        photo for photo in read_photos(folder, "evaluator_train") if not photo.natural
    ]
