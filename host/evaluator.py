"""Harmony evaluators in the host: its models folder, its device and its memory."""

from __future__ import annotations

from pathlib import Path

import folder_paths

from ..core.weights import shipped_weights
from ..evaluator.checkpoint import MANIFEST, read_network, read_state
from ..evaluator.model import HarmonyEvaluator
from .network import HostNetwork

EMBEDDED = "embedded"
FOLDER = "harmony_evaluator"


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
