"""The square that the model sees."""

import torch
from comfy_api.latest import io

from ..core.view import ViewMode, working_view
from ..host.image import check_mask, check_regions
from .types import CATEGORY


class WorkingView(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="WorkingView",
            display_name="Working View",
            category=CATEGORY,
            description="Cut the square that the model works on out of the composite. The color LUT carries the edit "
            "back to the whole picture.",
            inputs=[
                io.Image.Input("image", tooltip="The composite, at any size."),
                io.Mask.Input("mask", tooltip="1 on the pasted object, of the image's size."),
                io.Int.Input(
                    "size",
                    default=64,
                    min=32,
                    max=2048,
                    step=8,
                    tooltip="Side of the square in pixels, as the model was trained: 64 for the embedded model, 512 "
                    "for SD1.5 and SD2, 768 for SD2.1-v.",
                ),
                io.Combo.Input(
                    "mode",
                    options=["crop", "whole"],
                    default="crop",
                    tooltip="crop: a square around the mask, twice its size where the picture allows. whole: the whole "
                    "picture, stretched to a square as the paper's authors do.",
                ),
                io.Mask.Input(
                    "regions",
                    optional=True,
                    tooltip="Masks of the object's parts, as a batch, to be cut likewise. Unconnected: none.",
                ),
            ],
            outputs=[
                io.Image.Output("image", tooltip="The square."),
                io.Mask.Output("mask", tooltip="The mask of the square."),
                io.Mask.Output(
                    "regions", tooltip="The regions of the square, for Fit Color LUT; nothing without regions."
                ),
            ],
        )

    @classmethod
    def execute(cls, image, mask, size: int, mode: ViewMode, regions=None) -> io.NodeOutput:
        image, mask = image[..., :3], check_mask(mask, image, "WorkingView")
        planes = mask if regions is None else torch.cat([mask, check_regions(regions, image, "WorkingView")])
        view, planes = working_view(image, planes, size, mode)
        return io.NodeOutput(view, planes[: len(mask)], None if regions is None else planes[len(mask) :])
