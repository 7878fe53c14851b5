"""The harmony score (paper 3.3)."""

from __future__ import annotations

from comfy_api.latest import io, ui
from torch import Tensor

from ..evaluator.model import HarmonyEvaluator as Evaluator
from ..host.evaluator import EMBEDDED, evaluator_names, load_evaluator
from ..host.image import check_mask
from .errors import errors_name, noted
from .types import CATEGORY_EVALUATE, HarmonyEvaluator


class LoadHarmonyEvaluator(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoadHarmonyEvaluator",
            display_name="Load Harmony Evaluator",
            category=CATEGORY_EVALUATE,
            search_aliases=["judge", "discriminator", "quality model", "real or fake", "评分模型"],
            description="Loads a classifier that says how likely it is that a pasted object belongs to its picture.",
            inputs=[
                io.Combo.Input(
                    "name",
                    options=evaluator_names(),
                    default=EMBEDDED,
                    tooltip="embedded: the small one that ships with the pack. embedded, whole picture: it does not "
                    "look at the mask, and serves to pick composites for training. The others are files in "
                    "models/harmony_evaluator: one that you trained, or the paper's ResNet-50.",
                )
            ],
            outputs=[HarmonyEvaluator.Output("evaluator", tooltip="For Harmony Score and Harmonize Composite.")],
        )

    @classmethod
    def execute(cls, name: str) -> io.NodeOutput:
        with errors_name("LoadHarmonyEvaluator", path="name", state="name"):
            return io.NodeOutput(load_evaluator(name))


class HarmonyScore(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="HarmonyScore",
            display_name="Harmony Score",
            category=CATEGORY_EVALUATE,
            search_aliases=["rate composite", "judge", "realism", "quality score", "compare images", "评分"],
            description="Scores from 0 to 1 how well the object's light and color belong to its scene. Use it to "
            "compare versions of one picture. Scores of different pictures also depend on what the pictures show.",
            has_intermediate_output=True,  # a cached result shows its text again
            inputs=[
                HarmonyEvaluator.Input("evaluator", tooltip="From Load Harmony Evaluator."),
                io.Image.Input(
                    "image", tooltip="The picture to judge, at any size. The pictures of a batch are judged one by one."
                ),
                io.Mask.Input("mask", tooltip="1 on the pasted object. The same size as the image."),
            ],
            outputs=[
                io.Float.Output("score", tooltip="The score of the first picture. 1 belongs, 0 does not."),
                io.Float.Output("scores", is_output_list=True, tooltip="The score of every picture, as a list."),
            ],
        )

    @classmethod
    def execute(cls, evaluator: Evaluator, image: Tensor, mask: Tensor) -> io.NodeOutput:
        with errors_name("HarmonyScore") as notes:
            scores = evaluator.score(image[..., :3], check_mask(mask, image)).tolist()
        shown = ui.PreviewText(", ".join(f"{score:.3f}" for score in scores))
        return noted(notes, io.NodeOutput(scores[0], scores, ui=shown))
