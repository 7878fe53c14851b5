"""The sockets of values that cross stages; each carries the dataclass of the same name."""

from comfy_api.latest import io

ImagingDescription = io.Custom("DIFFHARM_DESCRIPTION")
Trajectory = io.Custom("DIFFHARM_TRAJECTORY")
RefinedEmbedding = io.Custom("DIFFHARM_REFINED_EMBEDDING")
NullText = io.Custom("DIFFHARM_NULL_TEXT")
ColorLUT = io.Custom("DIFFHARM_COLOR_LUT")
Descriptions = io.Custom("DIFFHARM_DESCRIPTIONS")  # tuple[ImagingDescription, ...]
HarmonyEvaluator = io.Custom("DIFFHARM_EVALUATOR")
LoopFlow = io.Custom("DIFFHARM_LOOP_FLOW")

CATEGORY = "Diff-Harmonization"
CONDITIONING_TOOLTIP = (
    "Optional. Its ControlNets, hooks and areas apply to every evaluation of this stage; its text is not used. "
    "Unconnected: none."
)
