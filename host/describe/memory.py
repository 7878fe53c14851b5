"""When a vision model holds memory: on the device while it describes, then in main memory until another is used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import comfy.model_management as management
import torch

from ...description.local.loading import ModelProvider, load

_kept: dict[tuple[Path, ModelProvider], tuple[Any, Any]] = {}  # the model used last, off the device


@contextmanager
def at_work(folder: Path, provider: ModelProvider) -> Iterator[tuple[Any, Any]]:
    """A folder's model on the host's device, and its processor. Afterwards the device is free again.

    Raises:
        FileNotFoundError, ValueError: as `load`.
    """
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
