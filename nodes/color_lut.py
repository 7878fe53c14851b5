"""The edit as a 3D LUT: fit it, apply it at full resolution, save it."""

from pathlib import Path

import folder_paths
from comfy_api.latest import io

from ..color.apply import apply_lut
from ..color.cube import save_cubes
from ..color.fit import fit_lut
from ..color.regions import fit_regions
from ..host.image import check_mask, check_regions
from .types import CATEGORY, ColorLUT

CATEGORY = f"{CATEGORY}/color"


class FitColorLUT(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FitColorLUT",
            display_name="Fit Color LUT",
            category=CATEGORY,
            description="Explain a change of color between two pictures as a smooth 3D LUT (paper app. E).",
            inputs=[
                io.Image.Input("before", tooltip="The picture before the edit."),
                io.Image.Input("after", tooltip="The same picture after the edit, of the same size."),
                io.Mask.Input("mask", optional=True, tooltip="Where to look; unconnected: everywhere."),
                io.Int.Input("size", default=33, min=2, max=65, tooltip="Grid points along each side; 33 is usual."),
                io.Float.Input(
                    "smoothness",
                    default=1e-4,
                    min=1e-6,
                    max=1.0,
                    step=1e-4,
                    round=1e-7,
                    advanced=True,
                    tooltip="How smoothly the change varies over colors; larger is smoother and follows the edit less.",
                ),
                io.Float.Input(
                    "identity_weight",
                    default=1e-3,
                    min=1e-6,
                    max=1.0,
                    step=1e-3,
                    round=1e-7,
                    advanced=True,
                    tooltip="How soon colors far from any in the picture are left alone; smaller reaches further.",
                ),
                io.Mask.Input(
                    "regions",
                    optional=True,
                    tooltip="Masks of parts that change each in their own way, as a batch: each gets a LUT besides the "
                    "whole's. Unconnected: one LUT for all.",
                ),
            ],
            outputs=[ColorLUT.Output("lut", tooltip="For Apply Color LUT and Save Color LUT.")],
        )

    @classmethod
    def execute(cls, before, after, size, smoothness, identity_weight, mask=None, regions=None) -> io.NodeOutput:
        before, after = before[..., :3], after[..., :3]
        mask = None if mask is None else check_mask(mask, before, "FitColorLUT")
        weights = {"smoothness": smoothness, "identity_weight": identity_weight}
        if regions is None:
            return io.NodeOutput(fit_lut(before, after, mask, size, **weights))
        regions = check_regions(regions, before, "FitColorLUT")
        return io.NodeOutput(fit_regions(before, after, regions, mask, size, **weights))


class ApplyColorLUT(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ApplyColorLUT",
            display_name="Apply Color LUT",
            category=CATEGORY,
            description="Carry an edit to a picture of any size. Outside the mask every pixel stays as it is.",
            inputs=[
                io.Image.Input("image", tooltip="The full-resolution composite."),
                ColorLUT.Input("lut", tooltip="From Fit Color LUT."),
                io.Mask.Input("mask", optional=True, tooltip="Where to apply it; unconnected: everywhere."),
                io.Float.Input(
                    "amount", default=1.0, min=0.0, max=1.0, step=0.01, tooltip="1 applies it fully, 0 not at all."
                ),
                io.Int.Input(
                    "feather",
                    default=0,
                    min=0,
                    max=512,
                    tooltip="Pixels over which the change fades in from the mask's edge inwards; 0 is none.",
                ),
                io.Combo.Input(
                    "interpolation",
                    options=["trilinear", "tetrahedral"],
                    default="trilinear",
                    advanced=True,
                    tooltip="Between grid points: trilinear, or tetrahedral as color grading programs do.",
                ),
                io.Mask.Input(
                    "regions",
                    optional=True,
                    tooltip="The masks of the LUT's regions, of the image's size and in the order in which they were "
                    "fitted. Unconnected where it was fitted without.",
                ),
                io.Int.Input(
                    "region_feather",
                    default=16,
                    min=0,
                    max=512,
                    optional=True,
                    advanced=True,
                    tooltip="Pixels over which a region fades into its neighbors, from its edge inwards; 0 is none. "
                    "Without regions it does nothing.",
                ),
            ],
            outputs=[io.Image.Output("image", tooltip="The picture with the LUT applied inside the mask.")],
        )

    @classmethod
    def execute(
        cls, image, lut, amount, feather, interpolation, mask=None, regions=None, region_feather=16
    ) -> io.NodeOutput:
        image = image[..., :3]
        mask = None if mask is None else check_mask(mask, image, "ApplyColorLUT")
        regions = None if regions is None else check_regions(regions, image, "ApplyColorLUT")
        return io.NodeOutput(apply_lut(image, lut, mask, amount, feather, interpolation, regions, region_feather))


class SaveColorLUT(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SaveColorLUT",
            display_name="Save Color LUT",
            category=CATEGORY,
            description="Write the LUT as a .cube file (sRGB, domain 0 to 1) that photo and video programs read, and "
            "one more for each of its regions.",
            inputs=[
                ColorLUT.Input("lut", tooltip="From Fit Color LUT."),
                io.String.Input(
                    "filename_prefix", default="harmonize", tooltip="Name in the output folder; a number is added."
                ),
            ],
            outputs=[io.String.Output("path", tooltip="The file that was written; the regions' lie beside it.")],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, lut, filename_prefix: str) -> io.NodeOutput:
        folder, name, counter, subfolder, _ = folder_paths.get_save_image_path(
            filename_prefix, folder_paths.get_output_directory()
        )
        paths = save_cubes(lut, Path(folder) / f"{name}_{counter:05}_.cube")
        saved = [{"filename": path.name, "subfolder": subfolder, "type": "output"} for path in paths]
        return io.NodeOutput(str(paths[0]), ui={"cube": saved, "text": [path.name for path in paths]})
