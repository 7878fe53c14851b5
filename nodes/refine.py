"""Text embedding refinement (paper eq. 2-4)."""

from comfy_api.latest import io

from ..diffusion.refinement import RefinementSettings
from ..host.plot import loss_curve
from ..host.stages import refine_words, scheduled_conditioning
from .types import CATEGORY, CONDITIONING_TOOLTIP, ImagingDescription, RefinedEmbedding, Trajectory

DEFAULTS = RefinementSettings()


class RefineEmbedding(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RefineEmbedding",
            display_name="Refine Embedding",
            category=CATEGORY,
            description="Refine the words' embeddings until their attention covers the right region, then write the "
            "background's words over the foreground's (paper eq. 2-4).",
            inputs=[
                io.Model.Input("model", tooltip="The model that inverted the composite."),
                io.Clip.Input("clip", tooltip="The model's text encoder."),
                Trajectory.Input("trajectory", tooltip="From DDIM Invert."),
                ImagingDescription.Input("description", tooltip="From a describe node."),
                io.Mask.Input("mask", tooltip="1 on the pasted object, framed as the inverted picture is."),
                io.Int.Input(
                    "steps_per_timestep",
                    default=DEFAULTS.steps_per_timestep,
                    min=0,
                    max=100,
                    tooltip="Optimizer steps at each noise level. 2 is the paper's; 0 takes the words as they are.",
                ),
                io.Float.Input(
                    "learning_rate",
                    default=DEFAULTS.learning_rate,
                    min=0.0,
                    max=1.0,
                    step=0.0001,
                    round=0.000001,
                    advanced=True,
                    tooltip="Learning rate of the words' embeddings. 0.001 is the paper's; larger ones lower the loss "
                    "and spoil the edit.",
                ),
                io.Float.Input(
                    "regularization_weight",
                    default=DEFAULTS.regularization_weight,
                    min=0.0,
                    max=1e6,
                    step=100.0,
                    advanced=True,
                    tooltip="How strongly the embeddings are held near their words. 5000 is the paper's; 0 lets go.",
                ),
                io.Float.Input(
                    "weight_decay",
                    default=DEFAULTS.weight_decay,
                    min=0.0,
                    max=1.0,
                    step=0.001,
                    advanced=True,
                    tooltip="AdamW's weight decay. 0.01 is the paper's; 0 is none.",
                ),
                io.Float.Input(
                    "weight_learning_rate",
                    default=DEFAULTS.weight_learning_rate,
                    min=0.0,
                    max=10.0,
                    step=0.01,
                    advanced=True,
                    tooltip="Learning rate of the background words' weights; 0 keeps all words equal.",
                ),
                io.Conditioning.Input("conditioning", optional=True, tooltip=CONDITIONING_TOOLTIP),
            ],
            outputs=[
                RefinedEmbedding.Output("refined", tooltip="Both rows' embeddings at every step."),
                io.Conditioning.Output("source", tooltip="The foreground's words, scheduled over the steps."),
                io.Conditioning.Output("target", tooltip="The words of the edit, scheduled over the steps."),
                io.Image.Output("loss_curve", tooltip="The refinement's loss at each optimizer step, as a plot."),
            ],
        )

    @classmethod
    def execute(
        cls,
        model,
        clip,
        trajectory,
        description,
        mask,
        steps_per_timestep,
        learning_rate,
        regularization_weight,
        weight_decay,
        weight_learning_rate,
        conditioning=None,
    ) -> io.NodeOutput:
        settings = RefinementSettings(
            steps_per_timestep, learning_rate, regularization_weight, weight_decay, weight_learning_rate
        )
        refined = refine_words(model, clip, trajectory, description, mask, settings, conditioning)
        source, target = (scheduled_conditioning(x, refined.sigmas) for x in (refined.source, refined.target))
        return io.NodeOutput(refined, source, target, loss_curve(refined.losses, "Embedding refinement, L_Emb"))
