"""Instances by a segmentation model (paper sec. 3.1): SAM, SAM 2 or EdgeTAM, asked for all that a picture shows."""

from __future__ import annotations

from typing import Any

import torch
from PIL import Image
from torch import Tensor

from ...core.types import Callback, silent

SIDE = 1024  # of the picture that the model is shown, its longer one, pixels: what these models were trained at
# Points along each side: the model is asked what lies at each of them. SAM's own 32 find smaller things, which the
# harmonizer does not see, in four times the time.
POINTS = 16
AT_ONCE = 32  # points: each gives three masks of the picture's size


def segment_everything(model: Any, processor: Any, image: Tensor, callback: Callback = silent) -> Tensor:
    """The masks of all that a model finds on a grid of points, without those that it is unsure of or finds twice.

    Args:
        model: a transformers mask generation model.
        processor: the model's image processor.
        image: sRGB [H,W,3] in 0-1.
        callback: called after each group of points; may raise to cancel.

    Returns:
        bool [N,h,w], h and w at most 1024. They may overlap. N may be 0.
    """
    from transformers.pipelines.mask_generation import MaskGenerationPipeline

    pixels = (image.clamp(0, 1) * 255).round().to("cpu", torch.uint8).numpy()
    picture = Image.fromarray(pixels)
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    pipeline = MaskGenerationPipeline(model=model, image_processor=processor, device=model.device)
    total, found = -(-(POINTS**2) // AT_ONCE), []
    for step, points in enumerate(pipeline.preprocess(picture, points_per_batch=AT_ONCE, points_per_crop=POINTS), 1):
        found.append(pipeline.forward(points))
        callback(step, total)
    if not sum(len(part["masks"]) for part in found):  # what the library makes of none is not defined
        return torch.zeros(0, picture.height, picture.width, dtype=torch.bool)
    masks = pipeline.postprocess(found)["masks"]
    return torch.stack([torch.as_tensor(mask) for mask in masks]).bool().cpu()
