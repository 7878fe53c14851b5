"""Text embedding refinement in its two styles (paper eq. 2-4)."""

from comfy_api.latest import io

from ..host.zero_shot.stages import refine_words, scheduled_conditioning
from ..methods.zero_shot.refinement import RefinementSettings
from ..methods.zero_shot.training_refinement import TrainingSettings
from ..plots.curves import loss_curve
from .types import CATEGORY, CONDITIONING_TOOLTIP, ImagingDescription, RefinedEmbedding, Trajectory

OPTIMIZING, TRAINING = RefinementSettings(), TrainingSettings()


def _what_is_refined() -> list[io.Input]:
    return [
        io.Model.Input("model", tooltip="The model that inverted the composite."),
        io.Clip.Input("clip", tooltip="The model's text encoder."),
        Trajectory.Input("trajectory", tooltip="From DDIM Invert."),
        ImagingDescription.Input("description", tooltip="From a describe node."),
        io.Mask.Input("mask", tooltip="1 on the pasted object, framed as the inverted picture is."),
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
            tooltip="How strongly the embeddings are held near their words. "
            f"{defaults.regularization_weight:g} is the paper's; 0 lets go.",
        ),
        io.Float.Input(
            "weight_decay",
            default=defaults.weight_decay,
            min=0.0,
            max=1.0,
            step=0.001,
            advanced=True,
            tooltip="AdamW's weight decay. 0.01 is the paper's; 0 is none.",
        ),
        io.Float.Input(
            "weight_learning_rate",
            default=defaults.weight_learning_rate,
            min=0.0,
            max=10.0,
            step=0.01,
            advanced=True,
            tooltip="Learning rate of the background words' weights; 0 keeps all words equal.",
        ),
    ]


def _outputs() -> list[io.Output]:
    return [
        RefinedEmbedding.Output("refined", tooltip="Both rows' embeddings at every step."),
        io.Conditioning.Output("source", tooltip="The foreground's words, scheduled over the steps."),
        io.Conditioning.Output("target", tooltip="The words of the edit, scheduled over the steps."),
        io.Image.Output("loss_curve", tooltip="The refinement's loss at each optimizer step, as a plot."),
    ]


def _refined(model, clip, trajectory, description, mask, settings, conditioning) -> io.NodeOutput:
    refined = refine_words(model, clip, trajectory, description, mask, settings, conditioning)
    source, target = (scheduled_conditioning(x, refined.sigmas) for x in (refined.source, refined.target))
    return io.NodeOutput(refined, source, target, loss_curve(refined.losses, "Embedding refinement, L_Emb"))


class RefineEmbedding(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RefineEmbedding",
            display_name="Refine Embedding",
            category=CATEGORY,
            description="Refine the words' embeddings until their attention covers the right region, then write the "
            "background's words over the foreground's (paper eq. 2-4). In the optimizing style: an embedding for each "
            "noise level.",
            inputs=[
                *_what_is_refined(),
                io.Int.Input(
                    "steps_per_timestep",
                    default=OPTIMIZING.steps_per_timestep,
                    min=0,
                    max=100,
                    tooltip="Optimizer steps at each noise level. 2 is the paper's; 0 takes the words as they are.",
                ),
                *_how_firmly(
                    OPTIMIZING,
                    "Learning rate of the words' embeddings. 0.001 is the paper's; larger ones lower the loss and "
                    "spoil the edit.",
                ),
                io.Conditioning.Input("conditioning", optional=True, tooltip=CONDITIONING_TOOLTIP),
            ],
            outputs=_outputs(),
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
        return _refined(model, clip, trajectory, description, mask, settings, conditioning)


class RefineEmbeddingTraining(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="RefineEmbeddingTraining",
            display_name="Refine Embedding (Training Style)",
            category=CATEGORY,
            description="Refine Embedding in the paper's other style: one embedding for all noise levels, trained on "
            "noise levels drawn at random. It takes the place of Refine Embedding.",
            inputs=[
                *_what_is_refined(),
                io.Int.Input(
                    "epochs",
                    default=TRAINING.epochs,
                    min=0,
                    max=10000,
                    tooltip="Optimizer steps, each on one batch of noise levels. 50 is the paper's; 0 takes the words "
                    "as they are.",
                ),
                io.Int.Input(
                    "batch_size",
                    default=TRAINING.batch_size,
                    min=1,
                    max=1000,
                    tooltip="Noise levels that an optimizer step averages over. 4 is the paper's; 1 is the noisiest.",
                ),
                *_how_firmly(
                    TRAINING, "Learning rate of the words' embeddings. 0.01 is the paper's; 0 learns nothing."
                ),
                io.Int.Input(
                    "seed",
                    default=TRAINING.seed,
                    min=0,
                    max=2**63 - 1,
                    advanced=True,
                    tooltip="Which noise levels are drawn; any value is as good as another.",
                ),
                io.Conditioning.Input("conditioning", optional=True, tooltip=CONDITIONING_TOOLTIP),
            ],
            outputs=_outputs(),
        )

    @classmethod
    def execute(
        cls,
        model,
        clip,
        trajectory,
        description,
        mask,
        epochs,
        batch_size,
        learning_rate,
        regularization_weight,
        weight_decay,
        weight_learning_rate,
        seed,
        conditioning=None,
    ) -> io.NodeOutput:
        settings = TrainingSettings(
            epochs, batch_size, learning_rate, regularization_weight, weight_decay, weight_learning_rate, seed
        )
        return _refined(model, clip, trajectory, description, mask, settings, conditioning)
