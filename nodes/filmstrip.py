"""Looking at the loop's passes."""

from __future__ import annotations

import torch
from comfy_api.latest import io
from torch import Tensor

from ..description.parser import PATTERN
from ..plots.filmstrip import plot_filmstrip
from .errors import errors_name
from .types import CATEGORY


class HarmonyFilmstrip(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="HarmonyFilmstrip",
            display_name="Harmony Filmstrip",
            category=CATEGORY,
            search_aliases=["contact sheet", "compare passes", "history", "variants", "对比图"],
            description="Shows a loop's passes side by side, above the curve of their scores: what each pass made, the "
            "words that it followed, why it was taken or refused, and the decision after it.",
            inputs=[
                io.Image.Input(
                    "passes", tooltip="From Iterate Loop End: the composite, the proposals, then each pass."
                ),
                io.Float.Input("scores", force_input=True, tooltip="From Iterate Loop End: the list of their scores."),
                io.String.Input(
                    "decisions", force_input=True, tooltip="From Iterate Loop End: the list of the decisions."
                ),
                io.String.Input(
                    "descriptions", force_input=True, tooltip="From Iterate Loop End: the list of their words."
                ),
                io.Int.Input("chosen", force_input=True, tooltip="From Iterate Loop End: which one is the result."),
                io.String.Input(
                    "reasons",
                    force_input=True,
                    optional=True,
                    tooltip="From Iterate Loop End: the list that says why each was taken or refused. Unconnected: it "
                    "is not shown.",
                ),
            ],
            outputs=[io.Image.Output("filmstrip", tooltip="The passes and their scores as one picture.")],
            is_input_list=True,
        )

    @classmethod
    def execute(
        cls,
        passes: list[Tensor],
        scores: list[float],
        decisions: list[str],
        descriptions: list[str],
        chosen: list[int],
        reasons: list[str] | None = None,
    ) -> io.NodeOutput:
        with errors_name("HarmonyFilmstrip", captions="descriptions"):
            captions = [caption(text) for text in descriptions]
            strip = plot_filmstrip(torch.cat(passes), scores, decisions, captions, chosen[0], reasons)
            return io.NodeOutput(strip)


def caption(text: str) -> tuple[str, ...]:
    """What is written below a pass: the parts of a description in its one-line form, or any other text as it is."""
    match = PATTERN.fullmatch(text)
    return (match["object"], f"from {match['fore']}", f"to {match['back']}") if match else (text,)
