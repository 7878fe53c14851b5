"""DDIM inversion."""

from __future__ import annotations

from comfy.model_patcher import ModelPatcher
from comfy.sd import CLIP
from comfy_api.latest import io
from torch import Tensor

from ..host.sampling.denoiser import to_latent_out
from ..host.zero_shot.stages import invert_latent
from .errors import errors_name, noted
from .types import CATEGORY, CONDITIONING_TOOLTIP, Conditioning, Trajectory


class DDIMInvert(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DDIMInvert",
            display_name="DDIM Invert",
            category=CATEGORY,
            search_aliases=["ddim inversion", "inverse sampler", "unsample", "image to noise", "反演", "反推噪声"],
            description="Finds the noise from which the model would make this picture. It follows the empty prompt "
            "(guidance 0) and keeps every latent on the way.",
            inputs=[
                io.Model.Input("model", tooltip="A model of the SD1.5, SD2 or SDXL family, or the embedded one."),
                io.Clip.Input("clip", tooltip="The model's text encoder."),
                io.Latent.Input("latent", tooltip="The encoded composite."),
                io.Int.Input(
                    "steps",
                    default=50,
                    min=1,
                    max=1000,
                    tooltip="DDIM steps. The paper's value is 50. Fewer steps are faster and follow the picture less "
                    "closely.",
                ),
                io.Int.Input(
                    "fixed_point_iterations",
                    default=0,
                    min=0,
                    max=10,
                    advanced=True,
                    tooltip="Extra evaluations in each step. More of them make the way back to the picture more exact. "
                    "0 is the paper's inversion.",
                ),
                io.Conditioning.Input("conditioning", optional=True, tooltip=CONDITIONING_TOOLTIP),
            ],
            outputs=[
                Trajectory.Output("trajectory", tooltip="Every latent of the inversion, the noisiest first."),
                io.Latent.Output(
                    "noised", tooltip="The noisiest latent, for any other sampler. Turn that sampler's noise off."
                ),
                io.Sigmas.Output("sigmas", tooltip="The noise levels. With them a stock sampler can go the way back."),
            ],
        )

    @classmethod
    def execute(
        cls,
        model: ModelPatcher,
        clip: CLIP,
        latent: dict[str, Tensor],
        steps: int,
        fixed_point_iterations: int,
        conditioning: Conditioning | None = None,
    ) -> io.NodeOutput:
        with errors_name("DDIMInvert", sigmas="steps") as notes:
            trajectory = invert_latent(
                model,
                clip,
                latent["samples"],
                steps,
                fixed_point_iterations=fixed_point_iterations,
                conditioning=conditioning,
            )
        noised = {"samples": to_latent_out(model, trajectory.latents[0])}
        return noted(notes, io.NodeOutput(trajectory, noised, trajectory.sigmas))
