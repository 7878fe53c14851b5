"""Edge-constrained null-text optimization (paper eq. 5-6)."""

from __future__ import annotations

from comfy.model_patcher import ModelPatcher
from comfy.sd import VAE
from comfy_api.latest import io, ui
from torch import Tensor

from ..host.zero_shot.edges import Edges, find_pidinet
from ..host.zero_shot.null_text import optimize_null
from ..methods.zero_shot import types as zero_shot
from ..methods.zero_shot.null_text import EdgeImage, NullTextSettings
from ..plots.curves import loss_curve
from .errors import errors_name, noted
from .types import CATEGORY, CONDITIONING_TOOLTIP, Conditioning, NullText, RefinedEmbedding, Trajectory

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
            search_aliases=["null text inversion", "nti", "negative embedding", "edges", "空文本反演"],
            description="Finds the unconditional embedding of each step with which guidance gives the composite back, "
            "and keeps the object's edges in place (paper eq. 5-6). The edit then follows guidance_scale.",
            has_intermediate_output=True,  # a cached result shows its text again
            inputs=[
                io.Model.Input("model", tooltip="The model that inverted the composite."),
                io.Vae.Input(
                    "vae",
                    tooltip="The VAE that encoded the composite. A TAESD of the same kind works, too: less exact and "
                    "much faster.",
                ),
                Trajectory.Input("trajectory", tooltip="From DDIM Invert."),
                RefinedEmbedding.Input("refined", tooltip="From Refine Embedding."),
                io.Image.Input("image", tooltip="The picture that was encoded and inverted."),
                io.Mask.Input(
                    "mask", tooltip="1 on the pasted object. The same size as the image. Only edges inside it count."
                ),
                io.Combo.Input(
                    "edges",
                    options=["auto", "sobel", "sobel + pidinet", "none"],
                    default="auto",
                    tooltip="Which edges to keep. auto: Sobel, and PiDiNet if its weights are there. For PiDiNet, put "
                    "table5_pidinet.pth into models/edge (it is under a research license and never downloaded) and "
                    "install controlnet-aux. none: plain null-text inversion. It never decodes, which saves much work "
                    "with a large VAE.",
                ),
                io.Float.Input(
                    "guidance_scale",
                    default=DEFAULTS.guidance_scale,
                    min=1.1,
                    max=30.0,
                    step=0.1,
                    tooltip="The guidance of the edit that follows. Use the same value there. The paper's value is "
                    "2.5. Larger values change more.",
                ),
                io.Int.Input(
                    "inner_steps",
                    default=DEFAULTS.inner_steps,
                    min=0,
                    max=100,
                    advanced=True,
                    tooltip="Optimizer steps at the first noise level. The authors' code uses 1. 0 does nothing there.",
                ),
                io.Int.Input(
                    "growth_interval",
                    default=DEFAULTS.growth_interval,
                    min=0,
                    max=1000,
                    advanced=True,
                    tooltip="After this many noise levels, each level gets one optimizer step more. The authors' code "
                    "uses 10. 0 never adds one.",
                ),
                _weight_input(
                    "learning_rate",
                    DEFAULTS.learning_rate,
                    10.0,
                    0.01,
                    "Learning rate of the embedding. The authors' code uses 0.1. 0 learns nothing.",
                ),
                _weight_input(
                    "weight_decay",
                    DEFAULTS.weight_decay,
                    1.0,
                    0.001,
                    "Weight decay of the AdamW optimizer. The paper's value is 0.01. 0 is none.",
                ),
                _weight_input(
                    "latent_weight",
                    DEFAULTS.latent_weight,
                    1000.0,
                    0.1,
                    "How strongly each step is drawn to the inverted latent. The authors' code uses 10. At 0 the "
                    "latent does not count, only the edges do.",
                ),
                _weight_input(
                    "gamma",
                    0.1,
                    100.0,
                    0.01,
                    "Weight of PiDiNet's edges. Sobel's edges have weight 1. The paper's value is 0.1. At 0 PiDiNet's "
                    "edges do not count. No effect without PiDiNet.",
                ),
                io.Combo.Input(
                    "edge_image",
                    options=["step", "predicted"],
                    default=DEFAULTS.edge_image,
                    advanced=True,
                    tooltip="Which edges to compare with the composite's. step: those of the decoded step with its "
                    "noise, as in the paper. predicted: those of the clean picture that the model predicts at that "
                    "step.",
                ),
                io.Conditioning.Input("conditioning", optional=True, tooltip=CONDITIONING_TOOLTIP),
                io.Boolean.Input(
                    "fast",
                    default=False,
                    optional=True,
                    advanced=True,
                    tooltip="On: the VAE decodes once for each noise level, and only the object with a margin. This is "
                    "faster, needs less memory, and the result is nearly the same. Off: the whole picture at each "
                    "optimizer step, as in the paper. No effect where edges is none.",
                ),
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
        model: ModelPatcher,
        vae: VAE,
        trajectory: zero_shot.Trajectory,
        refined: zero_shot.RefinedEmbedding,
        image: Tensor,
        mask: Tensor,
        edges: Edges,
        guidance_scale: float,
        inner_steps: int,
        growth_interval: int,
        learning_rate: float,
        weight_decay: float,
        latent_weight: float,
        gamma: float,
        edge_image: EdgeImage,
        conditioning: Conditioning | None = None,
        fast: bool = False,
    ) -> io.NodeOutput:
        with errors_name("EdgeNullTextOptimize", latent="trajectory") as notes:
            settings = NullTextSettings(
                guidance_scale=guidance_scale,
                latent_weight=latent_weight,
                learning_rate=learning_rate,
                weight_decay=weight_decay,
                inner_steps=inner_steps,
                growth_interval=growth_interval,
                edge_image=edge_image,
                held_edges=fast,
            )
            null_text, notice = optimize_null(
                model,
                vae,
                trajectory,
                refined,
                image,
                mask,
                settings,
                edges=edges,
                gamma=gamma,
                cropped=fast,
                conditioning=conditioning,
            )
        curve = loss_curve(null_text.losses, "Null-text optimization")
        return noted(notes, io.NodeOutput(null_text, curve, ui=ui.PreviewText(notice)))
