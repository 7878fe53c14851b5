"""Looking at what the words attend to."""

from comfy_api.latest import io

from ..host.image import check_mask
from ..host.zero_shot.stages import read_word_maps
from ..plots.attention import plot_word_maps
from .types import CATEGORY, ImagingDescription, RefinedEmbedding, Trajectory


class AttentionMaps(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="AttentionMaps",
            display_name="Attention Maps",
            category=CATEGORY,
            description="Show where the model looks for each word of the description, before and after its refinement, "
            "as heat maps (paper fig. 11).",
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
                    tooltip="Noise levels to average over, spread along the trajectory. 10 tells nearly what all tell.",
                ),
                io.Image.Input(
                    "image",
                    optional=True,
                    tooltip="The working view, to show beside the maps. Unconnected: maps alone.",
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="The view's mask, to draw its outline and say each map's share on it. None by default.",
                ),
            ],
            outputs=[io.Image.Output("plot", tooltip="A heat map per word, before and after, as one picture.")],
        )

    @classmethod
    def execute(cls, model, clip, trajectory, description, refined, levels, image=None, mask=None) -> io.NodeOutput:
        if image is not None and mask is not None:
            mask = check_mask(mask, image, "AttentionMaps")
        maps = read_word_maps(model, clip, trajectory, description, refined, levels)
        return io.NodeOutput(plot_word_maps(*maps, image, mask))
