"""Attention-controlled edit (prompt-to-prompt)."""

from comfy_api.latest import io

from ..host.zero_shot.stages import edit_trajectory
from .types import CATEGORY, CONDITIONING_TOOLTIP, NullText, RefinedEmbedding, Trajectory


def _window_input(name: str, default: float, tooltip: str) -> io.Float.Input:
    return io.Float.Input(name, default=default, min=0.0, max=1.0, step=0.01, advanced=True, tooltip=tooltip)


class AttentionControlledEdit(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="AttentionControlledEdit",
            display_name="Attention-Controlled Edit",
            category=CATEGORY,
            description="Paint the composite anew with the background's words under the foreground's own attention, so "
            "that light and color change and structure stays.",
            inputs=[
                io.Model.Input("model", tooltip="The model that inverted the composite."),
                Trajectory.Input("trajectory", tooltip="From DDIM Invert."),
                RefinedEmbedding.Input("refined", tooltip="From Refine Embedding."),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=0.0,
                    max=10.0,
                    step=0.05,
                    tooltip="How far the edit goes when no null-text is connected (direct inversion). 0.7 suits "
                    "the embedded model, 0 gives the composite back.",
                ),
                _window_input("cross_start", 0.0, "Where the source's cross-attention begins to hold. 0 is the start."),
                _window_input("cross_end", 1.0, "Where the source's cross-attention stops holding. 1 is the end."),
                _window_input("self_start", 0.0, "Where the source's self-attention begins to hold. 0 is the start."),
                _window_input(
                    "self_end",
                    1.0,
                    "Where the source's self-attention stops holding. 1 is the end; earlier lets the structure change.",
                ),
                NullText.Input(
                    "null_text",
                    optional=True,
                    tooltip="From Edge Null-Text Optimize: the edit then follows guidance_scale, as the paper does. "
                    "Unconnected: direct inversion.",
                ),
                io.Float.Input(
                    "guidance_scale",
                    default=2.5,
                    min=0.0,
                    max=30.0,
                    step=0.1,
                    optional=True,
                    advanced=True,
                    tooltip="Classifier-free guidance with a null-text, in the paper 2.5. Without one it does nothing.",
                ),
                io.Conditioning.Input("conditioning", optional=True, tooltip=CONDITIONING_TOOLTIP),
            ],
            outputs=[io.Latent.Output("latent", tooltip="The edited picture, to be decoded.")],
        )

    @classmethod
    def execute(
        cls,
        model,
        trajectory,
        refined,
        strength,
        cross_start,
        cross_end,
        self_start,
        self_end,
        null_text=None,
        guidance_scale=2.5,
        conditioning=None,
    ) -> io.NodeOutput:
        windows = (cross_start, cross_end), (self_start, self_end)
        latent = edit_trajectory(
            model, trajectory, refined, strength, *windows, null_text, guidance_scale, conditioning
        )
        return io.NodeOutput({"samples": latent})
