"""The mask of the pasted object: painted on the picture, or from a file."""

from __future__ import annotations

from comfy_api.latest import io, ui
from torch import Tensor

from ..host.image import painted_or_file
from .errors import errors_name, noted
from .types import CATEGORY


class ObjectMask(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ObjectMask",
            display_name="Object Mask",
            category=CATEGORY,
            search_aliases=["mask editor", "painted mask", "mask from file", "choose mask", "遮罩", "蒙版"],
            description="Takes the mask that you painted on the picture. If you painted none, it takes the mask of the "
            "file. It can bring the paint to the object's edge. The node says which one it took.",
            has_intermediate_output=True,  # a cached result shows its text again
            inputs=[
                io.Image.Input("image", tooltip="The composite, from Load Image. The mask must have its size."),
                io.Mask.Input(
                    "painted",
                    tooltip="MASK of the same Load Image. To paint: right-click that box, choose Open in Mask Editor, "
                    "paint over the object and save.",
                ),
                io.Mask.Input(
                    "file",
                    optional=True,
                    tooltip="From Load Image (as Mask): white on the object, black elsewhere. It counts only where "
                    "nothing is painted. Unconnected: the painted mask alone.",
                ),
                io.Boolean.Input(
                    "snap",
                    default=False,
                    optional=True,
                    tooltip="On: the edge of a painted mask is brought to the object's edge, found by its colors, so "
                    "that you need not paint exactly. Turn it off where your paint is exact, or where the picture's "
                    "transparency is the mask. A mask from the file stays as it is.",
                ),
            ],
            outputs=[io.Mask.Output("mask", tooltip="1 on the pasted object.")],
        )

    @classmethod
    def execute(cls, image: Tensor, painted: Tensor, file: Tensor | None = None, snap: bool = False) -> io.NodeOutput:
        with errors_name("ObjectMask") as notes:
            mask, taken = painted_or_file(image[..., :3], painted, file, snap=snap)
        return noted(notes, io.NodeOutput(mask, ui=ui.PreviewText(f"The mask is {taken}.")))
