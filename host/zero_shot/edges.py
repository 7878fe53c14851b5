"""Edge detectors as the user asks for them, and PiDiNet's weights in the host's models folder."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Literal

import folder_paths
import torch
from torch import Tensor

from ...core.errors import InputError
from ...core.weights import read_weights
from ...methods.zero_shot.structure.edges import EdgeDetector
from ...methods.zero_shot.structure.pidinet import PiDiNetEdges, build_network
from ...methods.zero_shot.structure.sobel import sobel_edges
from ..folders import register_folder

logger = logging.getLogger(__name__)

FOLDER = "edge"  # in models/
NAMES = ("table5_pidinet", "table5_pidinet-tiny")  # the first that is there is used
SUFFIXES = (".safetensors", ".pth")
Edges = Literal["auto", "sobel", "sobel + pidinet", "none"]


def find_pidinet() -> Path | None:
    """PiDiNet's weights, when the user has put them there; nothing fetches them."""
    register_folder(FOLDER)
    for name in NAMES:
        for suffix in SUFFIXES:
            if path := folder_paths.get_full_path(FOLDER, name + suffix):
                return Path(path)
    return None


def load_pidinet(path: Path, device: torch.device) -> PiDiNetEdges:
    """PiDiNet in float32.

    Args:
        path: a safetensors file, or a .pth that holds nothing but weights.
        device: where it will run.

    Raises:
        ValueError: when the file is damaged or holds anything else.
        ModuleNotFoundError: when the package with the network is not installed.
    """
    return PiDiNetEdges(build_network(_read_state(path)).to(device, torch.float32))


def _read_state(path: Path) -> dict[str, Tensor]:
    try:
        value = read_weights(path)
    except ValueError as error:
        raise ValueError(f"it {error}. Put the published file there, or choose sobel.") from error
    return value if isinstance(value, dict) else {}


def detectors(edges: Edges, gamma: float, device: torch.device) -> tuple[list[tuple[EdgeDetector, float]], str]:
    """The edge detectors that the user asked for.

    Args:
        edges: "auto" takes PiDiNet where its weights are, "none" takes no detector.
        gamma: weight of PiDiNet beside Sobel's 1.
        device: where PiDiNet will run.

    Returns:
        The detectors with their weights, and a line for the user about the choice.

    Raises:
        InputError: when PiDiNet is asked for and its weights are missing, or they cannot be used.
    """
    if edges == "none":
        return [], "No edge term."
    path = None if edges == "sobel" else find_pidinet()
    where = f"models/{FOLDER}/{NAMES[0]}{SUFFIXES[1]} (research license; the network is in the package controlnet-aux)"
    if edges == "sobel + pidinet" and path is None:
        raise InputError("edges", f"PiDiNet's weights are missing. Put them at {where}, or choose sobel.")
    sobel: tuple[EdgeDetector, float] = (sobel_edges, 1.0)
    if path is None:
        notice = "Edges by Sobel."
        if edges == "auto":
            notice = f"Edges by Sobel alone: there is no {where}."
            logger.warning("%s", notice)
        return [sobel], notice
    try:
        pidinet = load_pidinet(path, device)
    except (ValueError, ModuleNotFoundError) as error:
        raise InputError("edges", f"{path.name} in models/{FOLDER}: {error}") from error
    return [sobel, (pidinet, gamma)], f"Edges by Sobel and PiDiNet ({path.name})."
