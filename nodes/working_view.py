"""The square that the model sees."""

from __future__ import annotations

import torch
from comfy_api.latest import io
from torch import Tensor

from ..core.view import ViewMode, working_view
from ..host.image import check_mask, check_regions
from .errors import errors_name, noted
from .types import CATEGORY


class WorkingView(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="WorkingView",
            display_name="Working View",
            category=CATEGORY,
            search_aliases=["crop around mask", "inpaint crop", "cutout", "square", "crop and stitch", "裁剪", "抠图"],
            description="Cuts the square that the model works on out of the composite. Later the color LUT carries the "
            "edit back to the whole picture.",
            inputs=[
                io.Image.Input("image", tooltip="The composite, at any size."),
                io.Mask.Input("mask", tooltip="1 on the pasted object. The same size as the image."),
                io.Int.Input(
                    "size",
                    default=64,
                    min=32,
                    max=2048,
                    step=8,
                    tooltip="Side of the square in pixels. Use the size that the model was trained on: 64 for the "
                    "embedded model, 512 for SD1.5 and SD2, 768 for SD2.1-v, 1024 for SDXL.",
                ),
                io.Combo.Input(
                    "mode",
                    options=["crop", "whole"],
                    default="crop",
                    tooltip="crop: a square around the object, twice its size where the picture allows. whole: the "
                    "whole picture, stretched to a square as in the authors' code.",
                ),
                io.Mask.Input(
                    "regions",
                    optional=True,
                    tooltip="Masks of parts of the object, as a batch. They are cut in the same way. Unconnected: "
                    "none.",
                ),
            ],
            outputs=[
                io.Image.Output("image", tooltip="The square."),
                io.Mask.Output("mask", tooltip="The mask of the square."),
                io.Mask.Output(
                    "regions", tooltip="The regions of the square, for Fit Color LUT. Empty if none are connected."
                ),
            ],
        )

    @classmethod
    def execute(
        cls, image: Tensor, mask: Tensor, size: int, mode: ViewMode, regions: Tensor | None = None
    ) -> io.NodeOutput:
        image = image[..., :3]
        with errors_name("WorkingView") as notes:
            mask = check_mask(mask, image)
            planes = mask if regions is None else torch.cat([mask, check_regions(regions, image)])
            view, planes = working_view(image, planes, size, mode)
        output = io.NodeOutput(view, planes[: len(mask)], None if regions is None else planes[len(mask) :])
        return noted(notes, output)
