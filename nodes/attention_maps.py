"""Looking at what the words attend to."""

from __future__ import annotations

from comfy.model_patcher import ModelPatcher
from comfy.sd import CLIP
from comfy_api.latest import io
from torch import Tensor

from ..core.types import ImagingDescription as Description
from ..host.image import check_mask
from ..host.zero_shot.stages import read_word_maps
from ..methods.zero_shot import types as zero_shot
from ..plots.attention import plot_word_maps
from .errors import errors_name, noted
from .types import CATEGORY, ImagingDescription, RefinedEmbedding, Trajectory


class AttentionMaps(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="AttentionMaps",
            display_name="Attention Maps",
            category=CATEGORY,
            search_aliases=["cross attention", "heat map", "word map", "daam", "注意力热图"],
            description="Shows where the model looks for each word of the description, before and after the "
            "refinement, as heat maps (paper fig. 11).",
            inputs=[
                io.Model.Input("model", tooltip="The model that inverted the composite."),
                io.Clip.Input("clip", tooltip="The model's text encoder."),
                Trajectory.Input("trajectory", tooltip="From DDIM Invert."),
                ImagingDescription.Input("description", tooltip="The description that was refined."),
                RefinedEmbedding.Input("refined", tooltip="From Refine Embedding."),
                io.Int.Input(
                    "levels",
                    default=10,
                    min=1,
                    max=1000,
                    tooltip="Number of noise levels to average over. They are spread along the trajectory. 10 shows "
                    "nearly the same as all of them.",
                ),
                io.Image.Input(
                    "image",
                    optional=True,
                    tooltip="The working view. It is shown beside the maps. Unconnected: the maps alone.",
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="The view's mask. Its outline is drawn, and each map shows its share on the object. "
                    "Unconnected: neither.",
                ),
            ],
            outputs=[io.Image.Output("plot", tooltip="A heat map for each word, before and after, as one picture.")],
        )

    @classmethod
    def execute(
        cls,
        model: ModelPatcher,
        clip: CLIP,
        trajectory: zero_shot.Trajectory,
        description: Description,
        refined: zero_shot.RefinedEmbedding,
        levels: int,
        image: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> io.NodeOutput:
        with errors_name("AttentionMaps", text="description", latent="trajectory") as notes:
            if image is not None and mask is not None:
                mask = check_mask(mask, image)
            maps = read_word_maps(model, clip, trajectory, description, refined, levels)
            return noted(notes, io.NodeOutput(plot_word_maps(*maps, image, mask)))
