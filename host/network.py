"""Small networks of the pack in the host: on its device while they work, and away when others need the memory."""

from __future__ import annotations

from typing import Any

import comfy.model_management
import comfy.model_patcher
from torch import Tensor, nn


class HostNetwork:
    """A network that the host moves to its device when it is called, with what it is called with."""

    def __init__(self, network: nn.Module) -> None:
        self.patcher = comfy.model_patcher.ModelPatcher(
            network,
            load_device=comfy.model_management.get_torch_device(),
            offload_device=comfy.model_management.unet_offload_device(),
        )

    def __call__(self, *inputs: Tensor) -> Any:
        comfy.model_management.load_models_gpu([self.patcher], force_full_load=True)
        return self.patcher.model(*(values.to(self.patcher.load_device) for values in inputs))
