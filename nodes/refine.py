"""Text embedding refinement in its two styles (paper eq. 2-4)."""

from __future__ import annotations

from comfy.model_patcher import ModelPatcher
from comfy.sd import CLIP
from comfy_api.latest import io
from torch import Tensor

from ..core.types import ImagingDescription as Description
from ..host.zero_shot.stages import refine_words, scheduled_conditioning
from ..methods.zero_shot import types as zero_shot
from ..methods.zero_shot.refinement import RefinementSettings
from ..methods.zero_shot.training_refinement import TrainingSettings
from ..plots.curves import loss_curve
from .errors import errors_name, noted
from .types import CATEGORY, CONDITIONING_TOOLTIP, Conditioning, ImagingDescription, RefinedEmbedding, Trajectory

OPTIMIZING, TRAINING = RefinementSettings(), TrainingSettings()
RENAMED = {"text": "description", "latent": "trajectory"}  # the engine's names for these inputs


def _what_is_refined() -> list[io.Input]:
    return [
        io.Model.Input("model", tooltip="The model that inverted the composite."),
        io.Clip.Input("clip", tooltip="The model's text encoder."),
        Trajectory.Input("trajectory", tooltip="From DDIM Invert."),
        ImagingDescription.Input("description", tooltip="From a describe node."),
        io.Mask.Input("mask", tooltip="1 on the pasted object. It must show the same part as the inverted picture."),
    ]


def _how_firmly(defaults: RefinementSettings | TrainingSettings, learning_rate_tooltip: str) -> list[io.Input]:
    return [
        io.Float.Input(
            "learning_rate",
            default=defaults.learning_rate,
            min=0.0,
            max=1.0,
            step=0.0001,
            round=0.000001,
            advanced=True,
            tooltip=learning_rate_tooltip,
        ),
        io.Float.Input(
            "regularization_weight",
            default=defaults.regularization_weight,
            min=0.0,
            max=1e6,
            step=100.0,
            advanced=True,
            tooltip="How strongly the embeddings are held near their words. The paper's value is "
            f"{defaults.regularization_weight:g}. At 0 they move freely.",
        ),
        io.Float.Input(
            "weight_decay",
            default=defaults.weight_decay,
            min=0.0,
            max=1.0,
            step=0.001,
            advanced=True,
            tooltip="Weight decay of the AdamW optimizer. The paper's value is 0.01. 0 is none.",
        ),
        io.Float.Input(
            "weight_learning_rate",
            default=defaults.weight_learning_rate,
            min=0.0,
            max=10.0,
            step=0.01,
            advanced=True,
            tooltip="Learning rate of the weights between the background's words. At 0 all words count equally.",
        ),
    ]


def _what_may_be_added() -> list[io.Input]:
    """Optional, in the order in which versions added them: workflows go by the place of an input."""
    return [
        io.Conditioning.Input("conditioning", optional=True, tooltip=CONDITIONING_TOOLTIP),
        io.Mask.Input(
            "importance",
            optional=True,
            tooltip="Optional. A map from 0 to 1, high where the scene looks like the object. The background's words "
            "learn more from places with larger values, and nothing from places with 0. Only the ratios count: a map "
            "with one value everywhere is neutral, as is no map. Values on the object are not used. It must have the "
            "mask's size and show the same part of the picture; Working View cuts it at its input regions.",
        ),
        fast_input(),
    ]


def fast_input() -> io.Boolean.Input:
    """The switch from the paper's refinement to the one with cached queries."""
    return io.Boolean.Input(
        "fast",
        default=False,
        optional=True,
        advanced=True,
        tooltip="On: the words are refined from one look at the picture for each noise level. This is faster, needs "
        "less memory, and gives nearly the same result. Off: the paper's way, a look for each optimizer step.",
    )


def _outputs() -> list[io.Output]:
    return [
        RefinedEmbedding.Output("refined", tooltip="The embeddings of both rows of text at every step."),
        io.Conditioning.Output("source", tooltip="The foreground's words, scheduled over the steps."),
        io.Conditioning.Output("target", tooltip="The words of the edit, scheduled over the steps."),
        io.Image.Output("loss_curve", tooltip="The refinement's loss at each optimizer step, as a plot."),
    ]


def _refined(refined: zero_shot.RefinedEmbedding) -> io.NodeOutput:
    """The values of `_outputs`."""
    source, target = (scheduled_conditioning(x, refined.sigmas) for x in (refined.source, refined.target))
    return io.NodeOutput(refined, source, target, loss_curve(refined.losses, "Embedding refinement, L_Emb"))


class RefineEmbedding(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RefineEmbedding",
            display_name="Refine Embedding",
            category=CATEGORY,
            search_aliases=[
                "embedding optimization",
                "textual inversion",
                "prompt tuning",
                "word attention",
                "嵌入优化",
            ],
            description="Refines the words' embeddings until their attention covers the right part of the picture. "
            "Then it writes the background's words over the foreground's (paper eq. 2-4). The paper's optimizing "
            "style: each noise level has its own embedding.",
            inputs=[
                *_what_is_refined(),
                io.Int.Input(
                    "steps_per_timestep",
                    default=OPTIMIZING.steps_per_timestep,
                    min=0,
                    max=100,
                    tooltip="Optimizer steps at each noise level. The paper's value is 2. 0 uses the words as "
                    "they are.",
                ),
                *_how_firmly(
                    OPTIMIZING,
                    "Learning rate of the words' embeddings. The paper's value is 0.001. 0 learns nothing. Larger "
                    "values lower the loss and make the edit worse.",
                ),
                *_what_may_be_added(),
            ],
            outputs=_outputs(),
        )

    @classmethod
    def execute(
        cls,
        model: ModelPatcher,
        clip: CLIP,
        trajectory: zero_shot.Trajectory,
        description: Description,
        mask: Tensor,
        steps_per_timestep: int,
        learning_rate: float,
        regularization_weight: float,
        weight_decay: float,
        weight_learning_rate: float,
        conditioning: Conditioning | None = None,
        importance: Tensor | None = None,
        fast: bool = False,
    ) -> io.NodeOutput:
        with errors_name("RefineEmbedding", **RENAMED) as notes:
            settings = RefinementSettings(
                steps_per_timestep=steps_per_timestep,
                learning_rate=learning_rate,
                regularization_weight=regularization_weight,
                weight_decay=weight_decay,
                weight_learning_rate=weight_learning_rate,
                cached_queries=fast,
            )
            refined = refine_words(model, clip, trajectory, description, mask, settings, conditioning, importance)
        return noted(notes, _refined(refined))


class RefineEmbeddingTraining(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RefineEmbeddingTraining",
            display_name="Refine Embedding (Training Style)",
            category=CATEGORY,
            search_aliases=["embedding training", "textual inversion", "prompt tuning", "嵌入训练"],
            description="Refine Embedding in the paper's other style: one embedding for all noise levels, trained on "
            "noise levels drawn at random. Use it instead of Refine Embedding.",
            inputs=[
                *_what_is_refined(),
                io.Int.Input(
                    "epochs",
                    default=TRAINING.epochs,
                    min=0,
                    max=10000,
                    tooltip="Optimizer steps. Each works on one batch of noise levels. The paper's value is 50. 0 uses "
                    "the words as they are.",
                ),
                io.Int.Input(
                    "batch_size",
                    default=TRAINING.batch_size,
                    min=1,
                    max=1000,
                    tooltip="Number of noise levels that each optimizer step averages over. The paper's value is 4. "
                    "Larger values learn more evenly and take longer.",
                ),
                *_how_firmly(
                    TRAINING,
                    "Learning rate of the words' embeddings. The paper's value is 0.01. 0 learns nothing.",
                ),
                io.Int.Input(
                    "seed",
                    default=TRAINING.seed,
                    min=0,
                    max=2**63 - 1,
                    advanced=True,
                    tooltip="Which noise levels are drawn. Any value is good; the same value gives the same result.",
                ),
                *_what_may_be_added(),
            ],
            outputs=_outputs(),
        )

    @classmethod
    def execute(
        cls,
        model: ModelPatcher,
        clip: CLIP,
        trajectory: zero_shot.Trajectory,
        description: Description,
        mask: Tensor,
        epochs: int,
        batch_size: int,
        learning_rate: float,
        regularization_weight: float,
        weight_decay: float,
        weight_learning_rate: float,
        seed: int,
        conditioning: Conditioning | None = None,
        importance: Tensor | None = None,
        fast: bool = False,
    ) -> io.NodeOutput:
        with errors_name("RefineEmbeddingTraining", **RENAMED) as notes:
            settings = TrainingSettings(
                epochs=epochs,
                batch_size=batch_size,
                learning_rate=learning_rate,
                regularization_weight=regularization_weight,
                weight_decay=weight_decay,
                weight_learning_rate=weight_learning_rate,
                seed=seed,
                cached_queries=fast,
            )
            refined = refine_words(model, clip, trajectory, description, mask, settings, conditioning, importance)
        return noted(notes, _refined(refined))
