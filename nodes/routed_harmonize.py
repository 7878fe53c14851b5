"""Semantic routed harmonization (Sun et al., IJCAI 2024): the object takes the look of what resembles it."""

from __future__ import annotations

from comfy_api.latest import io, ui
from torch import Tensor

from ..evaluator.model import HarmonyEvaluator as Evaluator
from ..host.routed.harmonizer import EMBEDDED, harmonize, harmonizer_names, load_harmonizer
from ..methods.routed.harmonizer import RoutedHarmonizer as Harmonizer
from .errors import errors_name, noted
from .types import CATEGORY_ROUTED, HARMONIZE_ALIASES, ColorLUT, HarmonyEvaluator, RoutedHarmonizer


class LoadRoutedHarmonizer(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoadRoutedHarmonizer",
            display_name="Load Routed Harmonizer",
            category=CATEGORY_ROUTED,
            search_aliases=["color match model", "relight model", "harmonization network", "和谐化模型"],
            description="Loads the network that gives a pasted object the look of what resembles it in the scene.",
            inputs=[
                io.Combo.Input(
                    "name",
                    options=harmonizer_names(),
                    default=EMBEDDED,
                    tooltip="embedded: the one that ships with the pack. The others are safetensors files in "
                    "models/routed_harmonizer that you trained.",
                )
            ],
            outputs=[
                RoutedHarmonizer.Output(
                    "harmonizer", tooltip="For Routed Harmonize, Harmonize Composite and Describe Locally."
                )
            ],
        )

    @classmethod
    def execute(cls, name: str) -> io.NodeOutput:
        with errors_name("LoadRoutedHarmonizer", path="name"):
            return io.NodeOutput(load_harmonizer(name))


def strength_input() -> io.Float.Input:
    """How much of the network's change is made, for a picture and for a clip."""
    return io.Float.Input(
        "strength",
        default=1.0,
        min=0.0,
        max=2.0,
        step=0.05,
        tooltip="How much to change: 0 changes nothing. 1 is what the network proposes. Above 1 changes "
        "more than that.",
    )


class RoutedHarmonize(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RoutedHarmonize",
            display_name="Routed Harmonize",
            category=CATEGORY_ROUTED,
            search_aliases=[*HARMONIZE_ALIASES, "color transfer", "who looks like me"],
            description="Makes a pasted object belong, at any resolution: the object takes the look of what resembles "
            "it in the scene. Needs no prompt, no diffusion model and no GPU.",
            has_intermediate_output=True,  # a cached result shows its text again
            inputs=[
                RoutedHarmonizer.Input("harmonizer", tooltip="From Load Routed Harmonizer."),
                io.Image.Input(
                    "image", tooltip="The composite, at any size. Each picture of a batch is harmonized by itself."
                ),
                io.Mask.Input("mask", tooltip="1 on the pasted object: one mask, or one for each picture."),
                strength_input(),
                io.Boolean.Input(
                    "local",
                    default=True,
                    tooltip="On: the change may differ from place to place on the object. Off: one change for the "
                    "whole object, which is exactly what the LUT holds.",
                ),
                io.Mask.Input(
                    "importance",
                    optional=True,
                    tooltip="From Instance Similarity, or painted by hand: 1 where the scene shows how the object "
                    "should look, 0 where it does not. Unconnected: the node finds the similar parts itself.",
                ),
                HarmonyEvaluator.Input(
                    "evaluator",
                    optional=True,
                    tooltip="From Load Harmony Evaluator. Connected: the evaluator chooses how much of the strength to "
                    "use: none, a quarter, half, three quarters or all. Unconnected: the strength is applied as it is.",
                ),
            ],
            outputs=[
                io.Image.Output("image", tooltip="The harmonized picture. Outside the mask nothing changes."),
                ColorLUT.Output("lut", tooltip="The first picture's change without its local part, as a LUT."),
            ],
        )

    @classmethod
    def execute(
        cls,
        harmonizer: Harmonizer,
        image: Tensor,
        mask: Tensor,
        strength: float,
        local: bool,
        importance: Tensor | None = None,
        evaluator: Evaluator | None = None,
    ) -> io.NodeOutput:
        with errors_name("RoutedHarmonize") as notes:
            done = harmonize(
                harmonizer,
                image[..., :3],
                mask,
                importance=importance,
                judge=evaluator,
                strength=strength,
                local=local,
            )
        return noted(notes, io.NodeOutput(done.image, done.luts[0], ui=ui.PreviewText(done.summary())))
