"""Looking at the loop's passes."""

import torch
from comfy_api.latest import io

from ..plots.filmstrip import plot_filmstrip
from .types import CATEGORY


class HarmonyFilmstrip(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="HarmonyFilmstrip",
            display_name="Harmony Filmstrip",
            category=CATEGORY,
            description="Show a loop's passes side by side, over the curve of their scores: what each pass made, the "
            "words it followed, and what was decided then.",
            inputs=[
                io.Image.Input("passes", tooltip="From Iterate Loop End: the composite, then each pass."),
                io.Float.Input("scores", force_input=True, tooltip="From Iterate Loop End: the list of their scores."),
                io.String.Input(
                    "decisions", force_input=True, tooltip="From Iterate Loop End: the list of what was decided."
                ),
                io.String.Input(
                    "descriptions", force_input=True, tooltip="From Iterate Loop End: the list of their words."
                ),
                io.Int.Input("chosen", force_input=True, tooltip="From Iterate Loop End: which one is the result."),
            ],
            outputs=[io.Image.Output("filmstrip", tooltip="The passes and their scores as one picture.")],
            is_input_list=True,
        )

    @classmethod
    def execute(cls, passes, scores, decisions, descriptions, chosen) -> io.NodeOutput:
        return io.NodeOutput(plot_filmstrip(torch.cat(passes), scores, decisions, descriptions, chosen[0]))
