"""The nodes of the pack."""

from comfy_api.latest import ComfyExtension, io

from ..host import evaluator
from ..host.diffharmony import vae
from ..host.examples import offer_example
from ..host.folders import register_folder
from ..host.routed import harmonizer
from ..host.zero_shot import edges
from .attention_maps import AttentionMaps
from .color_lut import ApplyColorLUT, FitColorLUT, SaveColorLUT
from .describe import LocalDescribe, TextDescribe
from .describe_picker import DescribePicker
from .diffharmony import (
    DiffHarmonize,
    DiffHarmonyConditioning,
    HarmonyVAEDecode,
    InverseHarmonize,
    LoadHarmonyVAE,
)
from .edit import AttentionControlledEdit
from .evaluate import HarmonyScore, LoadHarmonyEvaluator
from .filmstrip import HarmonyFilmstrip
from .gemini import GeminiDescribe
from .harmonize import Harmonize, HarmonizeInstances
from .instances import FindInstances, InstanceSimilarity
from .invert import DDIMInvert
from .load import LoadMiniDiffHarmony, LoadMiniHarmonyModel
from .loop import IterateLoop, IterateLoopEnd, IterateLoopPass
from .null_text import EdgeNullTextOptimize
from .object_mask import ObjectMask
from .refine import RefineEmbedding, RefineEmbeddingTraining
from .routed_harmonize import LoadRoutedHarmonizer, RoutedHarmonize
from .sequence import HarmonizeSequence
from .working_view import WorkingView


class DiffHarmonization(ComfyExtension):
    async def on_load(self) -> None:
        for folder in (edges.FOLDER, evaluator.FOLDER, harmonizer.FOLDER, vae.FOLDER):
            register_folder(folder)
        offer_example()

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [
            LoadMiniHarmonyModel,
            ObjectMask,
            TextDescribe,
            LocalDescribe,
            GeminiDescribe,
            DescribePicker,
            WorkingView,
            DDIMInvert,
            RefineEmbedding,
            RefineEmbeddingTraining,
            AttentionMaps,
            EdgeNullTextOptimize,
            AttentionControlledEdit,
            HarmonyFilmstrip,
            FitColorLUT,
            ApplyColorLUT,
            SaveColorLUT,
            LoadHarmonyEvaluator,
            HarmonyScore,
            IterateLoop,
            IterateLoopEnd,
            IterateLoopPass,
            Harmonize,
            HarmonizeInstances,
            FindInstances,
            InstanceSimilarity,
            LoadRoutedHarmonizer,
            RoutedHarmonize,
            HarmonizeSequence,
            LoadMiniDiffHarmony,
            LoadHarmonyVAE,
            HarmonyVAEDecode,
            DiffHarmonyConditioning,
            DiffHarmonize,
            InverseHarmonize,
        ]


def extension() -> DiffHarmonization:
    return DiffHarmonization()
