"""Harmony evaluators in the host: its models folder, its device and its memory."""

from __future__ import annotations

from pathlib import Path

import folder_paths

from ..core.weights import shipped_weights
from ..evaluator.checkpoint import MANIFEST, PROBE, read_classifier, read_network, read_state
from ..evaluator.model import HarmonyEvaluator
from .network import HostNetwork

EMBEDDED = "embedded"
CLASSIFIER = "embedded, whole picture"  # DiffHarmony's classifier
FOLDER = "harmony_evaluator"


def evaluator_names() -> list[str]:
    """What can be loaded: the embedded networks and the files of the models folder."""
    return [EMBEDDED, CLASSIFIER, *folder_paths.get_filename_list(FOLDER)]


def load_evaluator(name: str) -> HarmonyEvaluator:
    """An evaluator by its name in `evaluator_names`.

    Raises:
        FileNotFoundError: when its file is missing.
        ValueError: when its file is damaged or holds something else.
    """
    if name == CLASSIFIER:
        network, view = read_classifier(*(read_state(shipped_weights(manifest)) for manifest in (PROBE, MANIFEST)))
        return HarmonyEvaluator(name, HostNetwork(network), view)
    if name == EMBEDDED:
        path = shipped_weights(MANIFEST)
    else:
        path = Path(folder_paths.get_full_path_or_raise(FOLDER, name))
    network, view = read_network(read_state(path), path.name)
    return HarmonyEvaluator(name, HostNetwork(network), view)
