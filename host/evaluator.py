"""Harmony evaluators in the host: its models folder, its device and its memory."""

from __future__ import annotations

from pathlib import Path

import comfy.model_management
import comfy.model_patcher
import folder_paths
from torch import Tensor, nn

from ..core.weights import shipped_weights
from ..evaluator.checkpoint import read_network, read_state
from ..evaluator.model import HarmonyEvaluator

EMBEDDED = "embedded"
FOLDER = "harmony_evaluator"
MANIFEST = Path(__file__).parents[1] / "evaluator" / "weights.json"


def evaluator_names() -> list[str]:
    """What can be loaded: the embedded evaluator and the files of the models folder."""
    return [EMBEDDED, *folder_paths.get_filename_list(FOLDER)]


def load_evaluator(name: str) -> HarmonyEvaluator:
    """An evaluator by its name in `evaluator_names`.

    Raises:
        FileNotFoundError: when its file is missing.
        ValueError: when its file is damaged or holds something else.
    """
    if name == EMBEDDED:
        path = shipped_weights(MANIFEST)
    else:
        path = Path(folder_paths.get_full_path_or_raise(FOLDER, name))
    network, view = read_network(read_state(path), path.name)
    return HarmonyEvaluator(name, HostNetwork(network), view)


class HostNetwork:
    """A network that the host moves to its device when it is called, and away when others need the memory."""

    def __init__(self, network: nn.Module) -> None:
        self.patcher = comfy.model_patcher.ModelPatcher(
            network,
            load_device=comfy.model_management.get_torch_device(),
            offload_device=comfy.model_management.unet_offload_device(),
        )

    def __call__(self, square: Tensor) -> Tensor:
        comfy.model_management.load_models_gpu([self.patcher], force_full_load=True)
        return self.patcher.model(square.to(self.patcher.load_device))
