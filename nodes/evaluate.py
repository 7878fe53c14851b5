"""The harmony score (paper 3.3)."""

from comfy_api.latest import io, ui

from ..host.evaluator import EMBEDDED, evaluator_names, load_evaluator
from ..host.image import check_mask
from .types import CATEGORY, HarmonyEvaluator

CATEGORY = f"{CATEGORY}/evaluate"


class LoadHarmonyEvaluator(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoadHarmonyEvaluator",
            display_name="Load Harmony Evaluator",
            category=CATEGORY,
            description="A classifier that says how likely a picture with a pasted object is to be harmonious.",
            inputs=[
                io.Combo.Input(
                    "name",
                    options=evaluator_names(),
                    default=EMBEDDED,
                    tooltip="embedded: the small one that ships with the pack. Others are files in "
                    "models/harmony_evaluator: your own training's, or the paper's ResNet-50.",
                )
            ],
            outputs=[HarmonyEvaluator.Output("evaluator", tooltip="For Harmony Score.")],
        )

    @classmethod
    def execute(cls, name: str) -> io.NodeOutput:
        return io.NodeOutput(load_evaluator(name))


class HarmonyScore(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="HarmonyScore",
            display_name="Harmony Score",
            category=CATEGORY,
            description="How well the object's light and color belong to its scene, from 0 to 1. Compare versions of "
            "one picture by it; across pictures it also depends on what they show.",
            has_intermediate_output=True,  # a cached result shows its text again
            inputs=[
                HarmonyEvaluator.Input("evaluator", tooltip="From Load Harmony Evaluator."),
                io.Image.Input("image", tooltip="The picture to judge, at any size; a batch is judged one by one."),
                io.Mask.Input("mask", tooltip="1 on the pasted object, of the image's size."),
            ],
            outputs=[
                io.Float.Output("score", tooltip="Of the first picture: 1 is harmonious, 0 is not."),
                io.Float.Output("scores", is_output_list=True, tooltip="Of every picture of the batch, as a list."),
            ],
        )

    @classmethod
    def execute(cls, evaluator, image, mask) -> io.NodeOutput:
        scores = evaluator.score(image[..., :3], check_mask(mask, image, "HarmonyScore")).tolist()
        return io.NodeOutput(scores[0], scores, ui=ui.PreviewText(", ".join(f"{score:.3f}" for score in scores)))
