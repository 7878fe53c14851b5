"""PiDiNet edges (D of paper eq. 6; Su et al., "Pixel Difference Networks for Efficient Edge Detection", ICCV 2021).

The network is that of the package controlnet-aux, called with gradients. Its weights are under a research license
and not part of this pack.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor, nn

DILATION = {60: 24, 20: 8}  # channels of the first layer -> of the dilated ones: table5_pidinet and its tiny variant
MEAN, SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's
INSTALL = "python -m pip install --no-deps controlnet-aux opencv-python-headless"


class PiDiNetEdges(nn.Module):
    """Edge probabilities, differentiable: [B, 3, H, W] RGB in [0, 1] to [B, 1, H, W] in (0, 1).

    Args:
        network: what `build_network` returns; frozen and set to evaluation.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.eval().requires_grad_(False)
        like = next(network.parameters())
        self.register_buffer("mean", torch.tensor(MEAN).to(like).view(3, 1, 1))
        self.register_buffer("spread", torch.tensor(SPREAD).to(like).view(3, 1, 1))

    def forward(self, image: Tensor) -> Tensor:
        return self.network((image - self.mean) / self.spread)[-1]


def build_network(state: Mapping[str, Tensor]) -> nn.Module:
    """The network of a state dict, as published (`module.` before each name) or without.

    Raises:
        ValueError: when the weights are neither table5_pidinet's nor table5_pidinet-tiny's.
        ModuleNotFoundError: when controlnet-aux, or OpenCV which it imports, is not installed.
    """
    weights = {name.removeprefix("module."): value for name, value in state.items()}
    first = weights.get("init_block.weight")
    channels = len(first) if isinstance(first, Tensor) and first.ndim == 4 else None
    if channels not in DILATION:
        found = "no `init_block.weight`" if channels is None else f"{channels} channels in its first layer"
        raise ValueError(
            f"These are not PiDiNet weights that this pack knows: found {found}, expected 60 (table5_pidinet) or 20 "
            f"(table5_pidinet-tiny)."
        )
    network = empty_network(channels)
    expected = network.state_dict()
    wrong = sorted(
        name
        for name in expected.keys() | weights.keys()
        if getattr(expected.get(name), "shape", None) != getattr(weights.get(name), "shape", None)
    )
    if wrong:
        raise ValueError(
            f"These weights have PiDiNet's first layer with {channels} channels, but {len(wrong)} of their tensors are "
            f"not those of table5_pidinet{'-tiny' if channels == 20 else ''}, such as `{wrong[0]}`."
        )
    network.load_state_dict(weights)
    return network


def empty_network(channels: int) -> nn.Module:
    """The network of 60 or 20 channels with random weights."""
    code = _network_code()
    return code.PiDiNet(channels, code.config_model("carv4"), dil=DILATION[channels], sa=True)


@cache
def _network_code() -> ModuleType:
    # The network's file alone: importing the whole package takes seconds, warns, and writes into timm's model registry.
    package = importlib.util.find_spec("controlnet_aux")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError(f"PiDiNet needs the package controlnet-aux; install it with `{INSTALL}`.")
    file = Path(package.submodule_search_locations[0]) / "pidi" / "model.py"
    spec = importlib.util.spec_from_file_location(f"{__name__}_network", file)
    assert spec is not None and spec.loader is not None, "a .py file has a loader"
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"PiDiNet's network needs {error.name}; install it with `{INSTALL}`.") from error
    return module
