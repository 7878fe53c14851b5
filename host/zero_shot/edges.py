"""Edge detectors as the user asks for them, and PiDiNet's weights in the host's models folder."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, Literal

import folder_paths
import torch
from safetensors.torch import load_file
from torch import Tensor

from ...evaluator.checkpoint import UNREADABLE
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


def load_pidinet(path: Path, device: torch.device, node: str) -> PiDiNetEdges:
    """PiDiNet in float32, with its weights from a safetensors file or a .pth that holds nothing but weights.

    Raises:
        ValueError: when the file is damaged or holds anything else.
        ModuleNotFoundError: when the package with the network is not installed.
    """
    try:
        network = build_network(_read_state(path))
    except (ValueError, ModuleNotFoundError) as error:
        raise type(error)(f"{node}, input edges: {path.name} in models/{FOLDER}: {error}") from error
    return PiDiNetEdges(network.to(device, torch.float32))


def _read_state(path: Path) -> dict[str, Tensor]:
    safe = path.suffix == ".safetensors"
    try:
        value: Any = load_file(path) if safe else torch.load(path, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        raise ValueError(
            "it cannot be read as weights, being damaged or something else; put the published file there, or choose "
            "sobel."
        ) from error
    return value.get("state_dict", value) if isinstance(value, dict) else {}


def detectors(
    edges: Edges, gamma: float, device: torch.device, node: str
) -> tuple[list[tuple[EdgeDetector, float]], str]:
    """The detectors with their weights, and what to tell the user about the choice.

    Raises:
        FileNotFoundError: when PiDiNet is asked for and its weights are missing.
        ValueError, ModuleNotFoundError: as `load_pidinet`, when the weights are there.
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
    return [sobel, (load_pidinet(path, device, node), gamma)], f"Edges by Sobel and PiDiNet ({path.name})."
