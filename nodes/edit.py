"""Attention-controlled edit (prompt-to-prompt)."""

from __future__ import annotations

from comfy.model_patcher import ModelPatcher
from comfy_api.latest import io

from ..host.zero_shot.stages import edit_trajectory
from ..methods.zero_shot import types as zero_shot
from .errors import errors_name, noted
from .types import CATEGORY, CONDITIONING_TOOLTIP, Conditioning, NullText, RefinedEmbedding, Trajectory


def _share_input(name: str, default: float, tooltip: str) -> io.Float.Input:
    return io.Float.Input(name, default=default, min=0.0, max=1.0, step=0.01, advanced=True, tooltip=tooltip)


class AttentionControlledEdit(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="AttentionControlledEdit",
            display_name="Attention-Controlled Edit",
            category=CATEGORY,
            search_aliases=["prompt to prompt", "p2p", "relight", "image edit", "restyle light", "重打光"],
            description="Paints the composite again with the background's words, under the foreground's own attention. "
            "Light and color change, and the structure stays.",
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
                    tooltip="How far the edit goes if no null-text is connected (direct inversion). 0 gives the "
                    "composite back. 0.7 suits the embedded model, 1 suits SD1.5 and SD2. Larger values change more.",
                ),
                _share_input(
                    "cross_start",
                    0.0,
                    "Step from which the composite's cross-attention is used, as a share of all steps. 0 is the first.",
                ),
                _share_input(
                    "cross_end",
                    1.0,
                    "Step up to which the composite's cross-attention is used, as a share of all steps. 1 is the last. "
                    "Not below cross_start; equal to it, none is used.",
                ),
                _share_input(
                    "self_start",
                    0.0,
                    "Step from which the composite's self-attention is used, as a share of all steps. 0 is the first. "
                    "A later start lets the structure change.",
                ),
                _share_input(
                    "self_end",
                    1.0,
                    "Step up to which the composite's self-attention is used, as a share of all steps. 1 is the last. "
                    "An earlier end lets the structure change. Not below self_start; equal to it, none is used.",
                ),
                NullText.Input(
                    "null_text",
                    optional=True,
                    tooltip="From Edge Null-Text Optimize. The edit then follows guidance_scale, as in the paper. "
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
                    tooltip="Classifier-free guidance, used only with a null-text. The paper's value is 2.5. Use the "
                    "same value as in Edge Null-Text Optimize.",
                ),
                io.Conditioning.Input("conditioning", optional=True, tooltip=CONDITIONING_TOOLTIP),
            ],
            outputs=[io.Latent.Output("latent", tooltip="The edited picture. Connect it to VAE Decode.")],
        )

    @classmethod
    def execute(
        cls,
        model: ModelPatcher,
        trajectory: zero_shot.Trajectory,
        refined: zero_shot.RefinedEmbedding,
        strength: float,
        cross_start: float,
        cross_end: float,
        self_start: float,
        self_end: float,
        null_text: zero_shot.NullText | None = None,
        guidance_scale: float = 2.5,
        conditioning: Conditioning | None = None,
    ) -> io.NodeOutput:
        spans = {"cross_steps": "cross_start and cross_end", "self_steps": "self_start and self_end"}
        with errors_name("AttentionControlledEdit", latent="trajectory", **spans) as notes:
            latent = edit_trajectory(
                model,
                trajectory,
                refined,
                strength=strength,
                cross_steps=(cross_start, cross_end),
                self_steps=(self_start, self_end),
                null_text=null_text,
                guidance_scale=guidance_scale,
                conditioning=conditioning,
            )
        return noted(notes, io.NodeOutput({"samples": latent}))
