"""Loading the embedded model."""

from __future__ import annotations

from comfy_api.latest import io

from ..mini.loader import load_mini
from .errors import errors_name
from .types import CATEGORY


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
