"""The vision models that describe a picture: where they lie, and when they hold memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import comfy.model_management as management
import folder_paths
import torch
from torch import Tensor

from ...core.types import ImagingDescription
from ...description.local.clip import describe_by_clip
from ...description.local.loading import LAYOUT, ModelProvider, load
from ...description.local.vlm import describe_by_vlm
from ...description.statistics.provider import alternatives
from ..sampling.progress import progress

Provider = ModelProvider | Literal["statistics"]
KEY = "VLM"  # of the host's model folders
PLACE = "LocalDescribe, input provider.model"
ALTERNATIVES = 3  # the paper's K
BY_MODEL = {"clip": describe_by_clip, "vlm": describe_by_vlm}

_kept: dict[tuple[Path, ModelProvider], tuple[Any, Any]] = {}  # the model used last, off the device


def model_folders() -> dict[str, Path]:
    """Name -> folder of every model in models/VLM and wherever else extra_model_paths.yaml says; the first wins."""
    folder_paths.add_model_folder_path(KEY, str(Path(folder_paths.models_dir) / KEY))
    found: dict[str, Path] = {}
    for base in folder_paths.get_folder_paths(KEY):
        for config in sorted(Path(base).glob("*/config.json")):
            found.setdefault(config.parent.name, config.parent)
    return found


def describe_locally(
    image: Tensor, mask: Tensor, label: str, provider: Provider, model: str = ""
) -> tuple[ImagingDescription, ...]:
    """Alternative descriptions of an object called `label`, best first.

    image: [H,W,3] in 0-1; mask: [H,W]; model: name of a folder in models/VLM, for the providers that use one.
    Raises FileNotFoundError or ValueError when the folder is missing or holds no such model.
    """
    if provider == "statistics":
        return alternatives(image, mask, label)
    try:
        with _at_work(_find(model), provider) as (network, processor), torch.inference_mode():
            return BY_MODEL[provider](network, processor, image, mask, label, ALTERNATIVES, progress(1))
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{PLACE}: {error}") from error
    except ValueError as error:
        raise ValueError(f"{PLACE}: {error}") from error


def _find(model: str) -> Path:
    folders = model_folders()
    if model not in folders:
        places = " or ".join(folder_paths.get_folder_paths(KEY))
        raise FileNotFoundError(f"there is no model folder '{model}' in {places}; put one there with {LAYOUT}.")
    return folders[model]


@contextmanager
def _at_work(folder: Path, provider: ModelProvider) -> Iterator[tuple[Any, Any]]:
    """A model on the host's device, and its processor; afterwards the device is free again."""
    device = management.get_torch_device()
    if (folder, provider) not in _kept:
        _kept.clear()
        # Contrastive models are small, and their close scores decide: they stay in full precision.
        low = provider == "vlm" and management.should_use_bf16(device)
        _kept[folder, provider] = load(folder, provider, torch.bfloat16 if low else torch.float32)
    model, processor = _kept[folder, provider]
    if not management.is_device_cpu(device):
        management.free_memory(1.1 * management.module_size(model) + management.minimum_inference_memory(), device)
    try:
        yield model.to(device), processor
    finally:
        model.to("cpu")
        management.soft_empty_cache()
