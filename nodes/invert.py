"""DDIM inversion."""

from comfy_api.latest import io

from ..host.sampling.denoiser import to_latent_out
from ..host.zero_shot.stages import invert_latent
from .types import CATEGORY, CONDITIONING_TOOLTIP, Trajectory


class DDIMInvert(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DDIMInvert",
            display_name="DDIM Invert",
            category=CATEGORY,
            description="Find the noise from which the model would make this picture, along the empty prompt "
            "(guidance 0). Keeps every latent on the way.",
            inputs=[
                io.Model.Input("model", tooltip="An SD1.5- or SD2-family model, or the embedded one."),
                io.Clip.Input("clip", tooltip="The model's text encoder."),
                io.Latent.Input("latent", tooltip="The encoded composite."),
                io.Int.Input(
                    "steps",
                    default=50,
                    min=1,
                    max=1000,
                    tooltip="DDIM steps. The paper's value is 50; fewer is faster and follows the picture less well.",
                ),
                io.Int.Input(
                    "fixed_point_iterations",
                    default=0,
                    min=0,
                    max=10,
                    advanced=True,
                    tooltip="Extra evaluations a step that make the way back meet the way there more closely. 0 is the "
                    "paper's inversion.",
                ),
                io.Conditioning.Input("conditioning", optional=True, tooltip=CONDITIONING_TOOLTIP),
            ],
            outputs=[
                Trajectory.Output("trajectory", tooltip="Every latent of the inversion, noisiest first."),
                io.Latent.Output("noised", tooltip="The noisiest latent, for any other sampler (with noise off)."),
                io.Sigmas.Output("sigmas", tooltip="The noise levels; with them a stock sampler replays the way back."),
            ],
        )

    @classmethod
    def execute(cls, model, clip, latent, steps, fixed_point_iterations, conditioning=None) -> io.NodeOutput:
        trajectory = invert_latent(model, clip, latent["samples"], steps, fixed_point_iterations, conditioning)
        noised = {"samples": to_latent_out(model, trajectory.latents[0])}
        return io.NodeOutput(trajectory, noised, trajectory.sigmas)
