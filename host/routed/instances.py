"""Instances in the host: by the carried backbone, by masks of other nodes, or by one of the user's SAM models."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Literal

import torch
from torch import Tensor

from ...core.errors import InputError
from ...core.masks import mask_on_grid
from ...core.types import Callback
from ...methods.routed.instances import Instances, find_instances, given_instances, load_backbone, small_size
from ...methods.routed.segmentation import segment_everything
from ..image import check_mask, check_regions
from ..model_folders import find_model
from ..network import HostNetwork
from ..pretrained import at_work
from ..sampling.progress import progress

Source = Literal["embedded", "masks", "sam"]
Finder = Callable[[Tensor, Tensor, Callback], Instances]  # picture [H,W,3], its mask [H,W] and the progress within it


@cache
def instance_backbone() -> HostNetwork:
    """The backbone that embeds instances."""
    return HostNetwork(load_backbone())


def instances_of(
    image: Tensor, mask: Tensor, source: Source, masks: Tensor | None = None, model: str = ""
) -> tuple[Instances, ...]:
    """The instances of each picture of a batch.

    Args:
        image: [B,H,W,3], sRGB in 0-1.
        mask: MASK of its size, one or one for each picture, 1 on the object.
        source: who finds them.
        masks: MASK [N,H,W], a mask for each instance, for the source "masks". The pictures of a batch share them.
        model: name of a folder in models/sams, for the source "sam".

    Raises:
        InputError: when a mask does not fit, is empty or covers everything; when the folder is missing or holds no
            segmentation model; or when no instance is left beside the object.
    """
    own = check_mask(mask, image)
    backbone = instance_backbone()
    with torch.inference_mode():
        if source == "embedded":
            return _each(image, own, lambda picture, plane, _: find_instances(picture, plane, backbone))
        if source == "masks":
            if masks is None:
                raise InputError("masks", "nothing is connected. Give a mask for each instance, as a batch.")
            # What each picture would do to them is done once: a mask that has the small size already stays as it is.
            shared = mask_on_grid(check_regions(masks, image, "masks").float().cpu(), small_size(*image.shape[1:3]))
            return _each(image, own, lambda picture, plane, _: given_instances(picture, plane, shared, backbone))
        return _segmented(image, own, model)


def _segmented(image: Tensor, own: Tensor, model: str) -> tuple[Instances, ...]:
    """The instances of each picture by a model. No more than one picture's masks are kept at the model's size."""
    folder, backbone = find_model("sam", model), instance_backbone()
    try:
        with at_work(folder, "sam") as (network, processor):

            def find(picture: Tensor, plane: Tensor, callback: Callback) -> Instances:
                found = segment_everything(network, processor, picture, callback)
                return given_instances(picture, plane, found, backbone, "model")

            return _each(image, own, find)
    except InputError:
        raise
    except (FileNotFoundError, ValueError) as error:  # of the folder's files or of the model's settings
        raise InputError("model", str(error)) from error


def _each(image: Tensor, own: Tensor, find: Finder) -> tuple[Instances, ...]:
    """The instances of each picture [B,H,W,3] with its mask [B,H,W], under one progress bar; the user may cancel."""
    count = len(image)
    callback, found = progress(count), []
    for index, (picture, plane) in enumerate(zip(image, own, strict=True)):
        found.append(find(picture, plane, _within(callback, index, count)))
        callback(index + 1, count)
    return tuple(found)


def _within(callback: Callback, index: int, count: int) -> Callback:
    """The progress of one picture as that of all `count` of them."""
    return lambda step, total, preview=None: callback(index * total + step, count * total, preview)


def check_instances(instances: tuple[Instances, ...], image: Tensor) -> tuple[Instances, ...]:
    """The instances of every picture of an image [B,H,W,C].

    Raises:
        InputError: when they are of another number of pictures, or of pictures of another shape.
    """
    batch, height, width = image.shape[:3]
    if len(instances) not in (1, batch):
        raise InputError("instances", f"they are of {len(instances)} pictures, but the image has {batch}.")
    size, expected = tuple(instances[0].object_mask.shape), small_size(height, width)
    if size != expected:
        raise InputError(
            "instances",
            f"they are of a picture of another shape: {size[1]}x{size[0]} when small, expected {expected[1]}x"
            f"{expected[0]} for an image of {width}x{height}. Find them in the same image.",
        )
    return instances * (batch // len(instances))
