"""When a model of the transformers library holds memory: on the device at work, then in main memory until the next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import comfy.model_management as management
import torch

from ..core.pretrained import Task, load

_kept: dict[tuple[Path, Task], tuple[Any, Any]] = {}  # the model used last, off the device


@contextmanager
def at_work(folder: Path, task: Task) -> Iterator[tuple[Any, Any]]:
    """A folder's model on the host's device, and its processor. Afterwards the device is free again.

    Raises:
        FileNotFoundError, ValueError: as `load`.
    """
    device = management.get_torch_device()
    if (folder, task) not in _kept:
        _kept.clear()
        # Contrastive models and segmenters are small, and their close scores decide: they stay in full precision.
        low = task == "vlm" and management.should_use_bf16(device)
        _kept[folder, task] = load(folder, task, torch.bfloat16 if low else torch.float32)
    model, processor = _kept[folder, task]
    if not management.is_device_cpu(device):
        management.free_memory(1.1 * management.module_size(model) + management.minimum_inference_memory(), device)
    try:
        yield model.to(device), processor
    finally:
        model.to("cpu")
        management.soft_empty_cache()
