"""The square that the model sees."""

from comfy_api.latest import io

from ..diffusion.view import ViewMode, working_view
from ..host.image import check_mask
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
            ],
            outputs=[
                io.Image.Output("image", tooltip="The square."),
                io.Mask.Output("mask", tooltip="The mask of the square."),
            ],
        )

    @classmethod
    def execute(cls, image, mask, size: int, mode: ViewMode) -> io.NodeOutput:
        return io.NodeOutput(*working_view(image[..., :3], check_mask(mask, image, "WorkingView"), size, mode))
