"""Loading the embedded model."""

from comfy_api.latest import io

from ..mini.loader import load_mini
from .types import CATEGORY


class LoadMiniHarmonyModel(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoadMiniHarmonyModel",
            display_name="Load Mini Harmony Model",
            category=CATEGORY,
            description="The small model that ships with the pack: 64x64 pixels, an SD2-like UNet, runs on a CPU in "
            "seconds. Put CheckpointLoaderSimple with an SD2 checkpoint in its place for the paper's quality.",
            inputs=[],
            outputs=[
                io.Model.Output("model", tooltip="The UNet; working view size 64."),
                io.Clip.Output("clip", tooltip="Its text encoder, which knows the vocabulary and some twenty objects."),
                io.Vae.Output("vae", tooltip="Pixels are the latents: encoding and decoding lose nothing."),
            ],
        )

    @classmethod
    def execute(cls) -> io.NodeOutput:
        return io.NodeOutput(*load_mini())
