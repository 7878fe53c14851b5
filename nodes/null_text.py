"""Edge-constrained null-text optimization (paper eq. 5-6)."""

from comfy_api.latest import io, ui

from ..host.zero_shot.edges import find_pidinet
from ..host.zero_shot.null_text import optimize_null
from ..methods.zero_shot.null_text import NullTextSettings
from ..plots.curves import loss_curve
from .types import CATEGORY, CONDITIONING_TOOLTIP, NullText, RefinedEmbedding, Trajectory

DEFAULTS = NullTextSettings()


def _weight_input(name: str, default: float, maximum: float, step: float, tooltip: str) -> io.Float.Input:
    return io.Float.Input(
        name, default=default, min=0.0, max=maximum, step=step, round=step / 100, advanced=True, tooltip=tooltip
    )


class EdgeNullTextOptimize(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EdgeNullTextOptimize",
            display_name="Edge Null-Text Optimize",
            category=CATEGORY,
            description="Find the unconditional embedding of each step under which guidance gives the composite back, "
            "with the object's edges in place (paper eq. 5-6). Makes the edit follow guidance_scale.",
            has_intermediate_output=True,  # a cached result shows its text again
            inputs=[
                io.Model.Input("model", tooltip="The model that inverted the composite."),
                io.Vae.Input(
                    "vae",
                    tooltip="The VAE that encoded the composite, or a TAESD of its kind: coarser, for far less work.",
                ),
                Trajectory.Input("trajectory", tooltip="From DDIM Invert."),
                RefinedEmbedding.Input("refined", tooltip="From Refine Embedding."),
                io.Image.Input("image", tooltip="The picture that was encoded and inverted."),
                io.Mask.Input("mask", tooltip="1 on the pasted object, of the image's size. Edges count inside it."),
                io.Combo.Input(
                    "edges",
                    options=["auto", "sobel", "sobel + pidinet", "none"],
                    default="auto",
                    tooltip="auto: Sobel, and PiDiNet where its weights are: put table5_pidinet.pth, which is under a "
                    "research license and never downloaded, into models/edge, and install controlnet-aux. "
                    "none: plain null-text inversion, which never decodes: far less work with a large VAE.",
                ),
                io.Float.Input(
                    "guidance_scale",
                    default=DEFAULTS.guidance_scale,
                    min=1.1,
                    max=30.0,
                    step=0.1,
                    tooltip="The guidance of the edit that follows; give it the same. 2.5 is the paper's.",
                ),
                io.Int.Input(
                    "inner_steps",
                    default=DEFAULTS.inner_steps,
                    min=0,
                    max=100,
                    advanced=True,
                    tooltip="Optimizer steps at the first noise level. 1 is the paper's; 0 starts without any.",
                ),
                io.Int.Input(
                    "growth_interval",
                    default=DEFAULTS.growth_interval,
                    min=0,
                    max=1000,
                    advanced=True,
                    tooltip="One optimizer step more after so many noise levels. 10 is the paper's; 0 adds none.",
                ),
                _weight_input(
                    "learning_rate", DEFAULTS.learning_rate, 10.0, 0.01, "Of the embedding. 0.1 is the paper's."
                ),
                _weight_input(
                    "weight_decay", DEFAULTS.weight_decay, 1.0, 0.001, "AdamW's. 0.01 is the paper's; 0 is none."
                ),
                _weight_input(
                    "latent_weight",
                    DEFAULTS.latent_weight,
                    1000.0,
                    0.1,
                    "How strongly a step is drawn to the inverted latent. 10 is the paper's; 0 leaves the edges alone.",
                ),
                _weight_input(
                    "gamma",
                    0.1,
                    100.0,
                    0.01,
                    "Weight of PiDiNet's edges beside Sobel's. 0.1 is the paper's; 0 drops them.",
                ),
                io.Combo.Input(
                    "edge_image",
                    options=["step", "predicted"],
                    default=DEFAULTS.edge_image,
                    advanced=True,
                    tooltip="Whose edges are compared with the composite's. step: the decoded step, noise and all, as "
                    "the paper does. predicted: the clean picture predicted at that step.",
                ),
                io.Conditioning.Input("conditioning", optional=True, tooltip=CONDITIONING_TOOLTIP),
            ],
            outputs=[
                NullText.Output("null_text", tooltip="For Attention-Controlled Edit."),
                io.Image.Output("loss_curve", tooltip="The loss at each optimizer step, as a plot."),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, **_: object) -> str:
        return str(find_pidinet())  # weights put there later change the result

    @classmethod
    def execute(
        cls,
        model,
        vae,
        trajectory,
        refined,
        image,
        mask,
        edges,
        guidance_scale,
        inner_steps,
        growth_interval,
        learning_rate,
        weight_decay,
        latent_weight,
        gamma,
        edge_image,
        conditioning=None,
    ) -> io.NodeOutput:
        settings = NullTextSettings(
            guidance_scale, latent_weight, learning_rate, weight_decay, inner_steps, growth_interval, edge_image
        )
        null_text, notice = optimize_null(
            model, vae, trajectory, refined, image, mask, settings, edges, gamma, conditioning
        )
        curve = loss_curve(null_text.losses, "Null-text optimization")
        return io.NodeOutput(null_text, curve, ui=ui.PreviewText(notice))
