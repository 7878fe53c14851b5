"""The edit as a 3D LUT: fit it, apply it at full resolution, save it."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ..color.apply import apply_lut
from ..color.cube import save_cubes
from ..color.fit import fit_lut
from ..color.lut import ColorLUT as LUT
from ..color.lut import Interpolation
from ..color.regions import fit_regions
from ..core.errors import InputError
from ..host.image import check_image, check_mask, check_regions
from ..host.output import errors_told, output_file
from .errors import errors_name, noted
from .types import CATEGORY_COLOR, ColorLUT


class FitColorLUT(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FitColorLUT",
            display_name="Fit Color LUT",
            category=CATEGORY_COLOR,
            search_aliases=[
                "match color",
                "color transfer",
                "grade from reference",
                "lut from two images",
                "颜色匹配",
                "追色",
            ],
            description="Explains the change of color between two pictures as a smooth 3D LUT (paper app. E).",
            inputs=[
                io.Image.Input("before", tooltip="The picture before the edit."),
                io.Image.Input("after", tooltip="The same picture after the edit. It must have the same size."),
                io.Mask.Input("mask", optional=True, tooltip="Where to look. Unconnected: everywhere."),
                io.Int.Input(
                    "size", default=33, min=2, max=65, tooltip="Grid points along each side of the LUT. 33 is usual."
                ),
                io.Float.Input(
                    "smoothness",
                    default=1e-4,
                    min=1e-6,
                    max=1.0,
                    step=1e-4,
                    round=1e-7,
                    advanced=True,
                    tooltip="How smoothly the change varies from color to color. Larger values are smoother and follow "
                    "the edit less closely. 0.0001 is usual; change it tenfold.",
                ),
                io.Float.Input(
                    "identity_weight",
                    default=1e-3,
                    min=1e-6,
                    max=1.0,
                    step=1e-3,
                    round=1e-7,
                    advanced=True,
                    tooltip="How strongly colors that do not occur in the picture are left alone. Smaller values carry "
                    "the change further. 0.001 is usual; change it tenfold.",
                ),
                io.Mask.Input(
                    "regions",
                    optional=True,
                    tooltip="Masks of parts that each change in their own way, as a batch. Each part gets its own LUT, "
                    "besides the LUT of the whole. Unconnected: one LUT for everything.",
                ),
            ],
            outputs=[ColorLUT.Output("lut", tooltip="For Apply Color LUT and Save Color LUT.")],
        )

    @classmethod
    def execute(
        cls,
        before: Tensor,
        after: Tensor,
        size: int,
        smoothness: float,
        identity_weight: float,
        mask: Tensor | None = None,
        regions: Tensor | None = None,
    ) -> io.NodeOutput:
        before, after = before[..., :3], after[..., :3]
        with errors_name("FitColorLUT") as notes:
            check_image(before, "before")
            check_image(after, "after")
            mask = None if mask is None else check_mask(mask, before)
            if regions is None:
                lut = fit_lut(before, after, mask, size, smoothness=smoothness, identity_weight=identity_weight)
            else:
                regions = check_regions(regions, before)
                lut = fit_regions(before, after, regions, mask, size, smoothness, identity_weight)
        return noted(notes, io.NodeOutput(lut))


class ApplyColorLUT(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ApplyColorLUT",
            display_name="Apply Color LUT",
            category=CATEGORY_COLOR,
            search_aliases=["color grade", "color correct", "cube", "3d lut", "调色"],
            description="Carries an edit to a picture of any size. Outside the mask every pixel stays as it is.",
            inputs=[
                io.Image.Input("image", tooltip="The full-resolution composite."),
                ColorLUT.Input("lut", tooltip="From Fit Color LUT."),
                io.Mask.Input("mask", optional=True, tooltip="Where to apply it. Unconnected: everywhere."),
                io.Float.Input(
                    "amount",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="How much of the change to apply: 0 applies nothing, 1 applies all of it.",
                ),
                io.Int.Input(
                    "feather",
                    default=0,
                    min=0,
                    max=512,
                    tooltip="Width in pixels of a soft transition. It starts at the mask's edge and goes inwards. 0 "
                    "makes a hard edge.",
                ),
                io.Combo.Input(
                    "interpolation",
                    options=["trilinear", "tetrahedral"],
                    default="trilinear",
                    advanced=True,
                    tooltip="How colors between two grid points are computed: trilinear, or tetrahedral as color "
                    "grading programs do. The difference is small.",
                ),
                io.Mask.Input(
                    "regions",
                    optional=True,
                    tooltip="The masks of the LUT's regions: in the same order as in Fit Color LUT, and of the image's "
                    "size. Leave it unconnected if the LUT has no regions.",
                ),
                io.Int.Input(
                    "region_feather",
                    default=16,
                    min=0,
                    max=512,
                    optional=True,
                    advanced=True,
                    tooltip="Width in pixels of the soft transition between two regions. It starts at a region's edge "
                    "and goes inwards. 0 makes a hard edge. Without regions it has no effect.",
                ),
            ],
            outputs=[io.Image.Output("image", tooltip="The picture with the LUT applied inside the mask.")],
        )

    @classmethod
    def execute(
        cls,
        image: Tensor,
        lut: LUT,
        amount: float,
        feather: int,
        interpolation: Interpolation,
        mask: Tensor | None = None,
        regions: Tensor | None = None,
        region_feather: int = 16,
    ) -> io.NodeOutput:
        image = image[..., :3]
        with errors_name("ApplyColorLUT") as notes:
            check_image(image)
            mask = None if mask is None else check_mask(mask, image)
            regions = None if regions is None else check_regions(regions, image)
            done = apply_lut(image, lut, mask, amount, feather, interpolation, regions, region_feather)
        return noted(notes, io.NodeOutput(done))


class SaveColorLUT(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SaveColorLUT",
            display_name="Save Color LUT",
            category=CATEGORY_COLOR,
            search_aliases=["export lut", "cube file", "photoshop", "premiere", "davinci resolve", "导出LUT"],
            description="Writes the LUT as a .cube file (sRGB, domain 0 to 1), which photo and video programs read. "
            "Each region's LUT gets its own file.",
            inputs=[
                ColorLUT.Input("lut", tooltip="From Fit Color LUT."),
                io.String.Input(
                    "filename_prefix",
                    default="harmonize",
                    tooltip="Name of the file in the output folder. A number is added to it.",
                ),
            ],
            outputs=[
                io.String.Output(
                    "path", is_output_list=True, tooltip="The written file. The files of the regions lie beside it."
                )
            ],
            is_input_list=True,  # else the host fails at an empty list before this node is asked
            is_output_node=True,
        )

    @classmethod
    def execute(cls, lut: list[LUT], filename_prefix: list[str]) -> io.NodeOutput:
        first, saved = [], []
        with errors_name("SaveColorLUT", path="filename_prefix", prefix="filename_prefix"):
            if not lut:
                raise InputError("lut", "got an empty list, expected a LUT. Check what the box before this one made.")
            count = max(len(lut), len(filename_prefix))
            for own, prefix in zip(_repeated(lut, count), _repeated(filename_prefix, count), strict=True):
                file, subfolder = output_file(prefix, ".cube")
                with errors_told():
                    paths = save_cubes(own, file)
                first.append(str(paths[0]))
                saved += [{"filename": path.name, "subfolder": subfolder, "type": "output"} for path in paths]
        return io.NodeOutput(first, ui={"cube": saved, "text": [file["filename"] for file in saved]})


def _repeated(values: list[Any], count: int) -> list[Any]:
    """So many values: the last one stays, as the host does it where lists differ in length."""
    return values + values[-1:] * (count - len(values))
