"""A clip as a batch of frames: one look, blended in time."""

from __future__ import annotations

from comfy_api.latest import io, ui
from torch import Tensor

from ..evaluator.model import HarmonyEvaluator as Evaluator
from ..host.routed.harmonizer import proposer
from ..host.sequence import INTERVAL, harmonize_sequence
from ..methods.routed.harmonizer import RoutedHarmonizer as Harmonizer
from .errors import errors_name
from .routed_harmonize import strength_input
from .types import CATEGORY_ROUTED, HARMONIZE_ALIASES, ColorLUT, HarmonyEvaluator, RoutedHarmonizer


class HarmonizeSequence(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="HarmonizeSequence",
            display_name="Harmonize Sequence",
            category=CATEGORY_ROUTED,
            search_aliases=[*HARMONIZE_ALIASES, "video", "clip", "frames", "flicker", "视频", "序列帧", "去闪烁"],
            description="Makes a pasted object belong in a clip, without flicker: key frames get one LUT each, blended "
            "in time, and each shot one strength. The look begins anew where the clip is cut.",
            has_intermediate_output=True,  # a cached result shows its text again
            inputs=[
                RoutedHarmonizer.Input("harmonizer", tooltip="From Load Routed Harmonizer."),
                io.Image.Input("image", tooltip="The frames of the clip in their order, as a batch."),
                io.Mask.Input(
                    "mask",
                    tooltip="1 on the pasted object: one mask for each frame, or one for all. Black where the object "
                    "is not in the frame.",
                ),
                strength_input(),
                io.Int.Input(
                    "interval",
                    default=INTERVAL,
                    min=1,
                    max=1000,
                    advanced=True,
                    tooltip="Frames from key frame to key frame. Fewer frames follow a changing light faster, and cost "
                    "more time. 12 is half a second of film. A large number gives each shot one look.",
                ),
                HarmonyEvaluator.Input(
                    "evaluator",
                    optional=True,
                    tooltip="From Load Harmony Evaluator. Connected: it chooses for each shot how much of the strength "
                    "to use: none, a quarter, half, three quarters or all. Unconnected: the strength is applied as it "
                    "is.",
                ),
            ],
            outputs=[
                io.Image.Output("image", tooltip="The harmonized frames. Outside the masks nothing changes."),
                ColorLUT.Output(
                    "luts",
                    is_output_list=True,
                    tooltip="The LUT of each key frame, for Save Color LUT, which writes one file for each. A shot "
                    "that stays as it is has one LUT that changes nothing.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        harmonizer: Harmonizer,
        image: Tensor,
        mask: Tensor,
        strength: float,
        interval: int,
        evaluator: Evaluator | None = None,
    ) -> io.NodeOutput:
        with errors_name("HarmonizeSequence"):
            frames, look = harmonize_sequence(
                proposer(harmonizer), image[..., :3], mask, judge=evaluator, strength=strength, interval=interval
            )
        return io.NodeOutput(frames, look.key_luts(), ui=ui.PreviewText(look.summary()))
