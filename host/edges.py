"""Edge detectors as the user asks for them, and PiDiNet's weights in the host's models folder."""

from __future__ import annotations

import logging
import pickle
from pathlib import Path
from typing import Any, Literal

import comfy.utils
import folder_paths
import torch

from ..structure.edges import EdgeDetector
from ..structure.pidinet import PiDiNetEdges, build_network
from ..structure.sobel import sobel_edges
from .folders import register_folder

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
    """PiDiNet in float32, with its weights from a safetensors file or a .pth that holds nothing but weights.

    Raises:
        ValueError: when the file holds anything else.
    """
    try:
        state: Any = comfy.utils.load_torch_file(str(path), safe_load=True)
        network = build_network(state)
    except (ValueError, pickle.UnpicklingError) as error:
        raise ValueError(f"EdgeNullTextOptimize, input edges: {path.name} in models/{FOLDER}: {error}") from error
    return PiDiNetEdges(network.to(device, torch.float32))


def detectors(
    edges: Edges, gamma: float, device: torch.device, node: str
) -> tuple[list[tuple[EdgeDetector, float]], str]:
    """The detectors with their weights, and what to tell the user about the choice.

    Raises:
        FileNotFoundError: when PiDiNet is asked for and its weights are missing.
        ModuleNotFoundError: when its weights are there, but not the package with its network.
    """
    if edges == "none":
        return [], "No edge term."
    path = None if edges == "sobel" else find_pidinet()
    where = f"models/{FOLDER}/{NAMES[0]}{SUFFIXES[1]} (research license; the network is in the package controlnet-aux)"
    if edges == "sobel + pidinet" and path is None:
        raise FileNotFoundError(
            f"{node}, input edges: PiDiNet's weights are missing. Put them at {where}, or choose sobel."
        )
    sobel: tuple[EdgeDetector, float] = (sobel_edges, 1.0)
    if path is None:
        notice = "Edges by Sobel."
        if edges == "auto":
            notice = f"Edges by Sobel alone: there is no {where}."
            logger.warning("%s: %s", node, notice)
        return [sobel], notice
    return [sobel, (load_pidinet(path, device), gamma)], f"Edges by Sobel and PiDiNet ({path.name})."
