"""The sockets of values that cross stages, and what all node files share."""

from comfy_api.latest import io

# Each socket carries the dataclass of the same name.
ImagingDescription = io.Custom("DIFFHARM_DESCRIPTION")
Trajectory = io.Custom("DIFFHARM_TRAJECTORY")
RefinedEmbedding = io.Custom("DIFFHARM_REFINED_EMBEDDING")
NullText = io.Custom("DIFFHARM_NULL_TEXT")
ColorLUT = io.Custom("DIFFHARM_COLOR_LUT")
Descriptions = io.Custom("DIFFHARM_DESCRIPTIONS")  # tuple[ImagingDescription, ...]
HarmonyVAE = io.Custom("DIFFHARM_HARMONY_VAE")  # HostHarmonyVAE
HarmonyEvaluator = io.Custom("DIFFHARM_EVALUATOR")
Instances = io.Custom("DIFFHARM_INSTANCES")  # tuple[Instances, ...], one for each picture of a batch
RoutedHarmonizer = io.Custom("DIFFHARM_ROUTED_HARMONIZER")
LoopFlow = io.Custom("DIFFHARM_LOOP_FLOW")

Conditioning = list[list]  # what a CONDITIONING socket carries: [[text tensor, options], ...]

CATEGORY = "Diff-Harmonization"
CATEGORY_COLOR = f"{CATEGORY}/color"
CATEGORY_DESCRIBE = f"{CATEGORY}/describe"
CATEGORY_DIFFHARMONY = f"{CATEGORY}/diffharmony"
CATEGORY_EVALUATE = f"{CATEGORY}/evaluate"
CATEGORY_LOOP = f"{CATEGORY}/loop"
CATEGORY_ROUTED = f"{CATEGORY}/routed"

# What users who composite look for; of every node that makes a pasted object belong.
HARMONIZE_ALIASES = (
    "relight",
    "composite",
    "blend",
    "match light",
    "match lighting",
    "match color",
    "color match",
    "paste",
    "cutout",
    "photoshop",
    "harmonize",
    "harmonization",
    "图像合成",
    "光影融合",
    "溶图",
    "重打光",
    "颜色匹配",
)

CONDITIONING_TOOLTIP = (
    "Optional. Its ControlNets, hooks and areas apply to every evaluation in this stage. Its text is not used. "
    "Unconnected: none."
)
