"""Loading the embedded models."""

from __future__ import annotations

from comfy_api.latest import io

from ..mini.diffharmony.loader import DIRECTIONS, Direction, load_diffharmony
from ..mini.loader import load_mini
from .errors import errors_name
from .types import CATEGORY, CATEGORY_DIFFHARMONY, HarmonyVAE


class LoadMiniHarmonyModel(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoadMiniHarmonyModel",
            display_name="Load Mini Harmony Model",
            category=CATEGORY,
            search_aliases=[
                "small diffusion model",
                "demo model",
                "checkpoint without download",
                "cpu model",
                "迷你模型",
            ],
            description="Loads the small model that ships with the pack: 64x64 pixels, an SD2-like UNet. It runs on a "
            "CPU in seconds. For the paper's own model, use Load Checkpoint with an SD2 checkpoint instead.",
            inputs=[],
            outputs=[
                io.Model.Output("model", tooltip="The UNet. It works on views of 64x64 pixels."),
                io.Clip.Output(
                    "clip", tooltip="Its text encoder. It knows the words of the vocabulary and 20 kinds of object."
                ),
                io.Vae.Output("vae", tooltip="Its VAE. Pixels are the latents, so nothing is lost."),
            ],
        )

    @classmethod
    def execute(cls) -> io.NodeOutput:
        with errors_name("LoadMiniHarmonyModel"):
            return io.NodeOutput(*load_mini())


class LoadMiniDiffHarmony(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoadMiniDiffHarmony",
            display_name="Load Mini DiffHarmony",
            category=CATEGORY_DIFFHARMONY,
            search_aliases=["small diffharmony", "embedded diffharmony", "inverse model", "cpu model", "迷你模型"],
            description="Loads the small DiffHarmony that ships with the pack: 64x64 pixels, made to run on a CPU. Set "
            "size to 64, view to crop and carry to lut in the box that uses it.",
            inputs=[
                io.Combo.Input(
                    "direction",
                    options=list(DIRECTIONS),
                    default=DIRECTIONS[0],
                    tooltip="harmonize: make a pasted object belong. inverse: make composites of real pictures.",
                )
            ],
            outputs=[
                io.Model.Output("model", tooltip="The UNet, of 9 input channels."),
                io.Clip.Output("clip", tooltip="A text encoder. The UNet does not look at its text."),
                io.Vae.Output("vae", tooltip="Its VAE. Latents are a quarter as wide and high as the picture."),
                HarmonyVAE.Output("harmony_vae", tooltip="Its Harmony-VAE. It keeps the details of the composite."),
            ],
        )

    @classmethod
    def execute(cls, direction: Direction) -> io.NodeOutput:
        with errors_name("LoadMiniDiffHarmony"):
            models = load_diffharmony(direction)
        return io.NodeOutput(models.model, models.clip, models.vae, models.harmony_vae)
