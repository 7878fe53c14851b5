"""The files of weights that trainings write and read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ..core.efficientnet import EfficientNetLite0, widened_state
from ..core.errors import InputError
from ..core.files import replacing
from ..core.weights import misfit


def weights_of(network: nn.Module) -> dict[str, Tensor]:
    """What an exported file holds: all but the counters of the normalizations."""
    return {name: value for name, value in network.state_dict().items() if value.is_floating_point()}


def load_published(body: EfficientNetLite0, path: Path) -> None:
    """Give a body the published ImageNet weights of a PyTorch file; its further channels start at zero.

    Raises:
        InputError: when the weights are of another network.
    """
    published = torch.load(path, weights_only=True, map_location="cpu")
    body.load_state_dict(widened_state(body, published))


def write_weights(state: Mapping[str, Tensor], path: Path) -> None:
    """Write tensors as safetensors, floating-point ones in half precision."""
    tensors = {
        name: (value.half() if value.is_floating_point() else value).contiguous().cpu() for name, value in state.items()
    }
    with replacing(path) as temporary:
        save_file(tensors, temporary)


def write_bundle(parts: Mapping[str, Path], path: Path) -> None:
    """Write several exported files as one; the tensors of each get its name as a prefix."""
    tensors = {f"{name}.{key}": value for name, file in parts.items() for key, value in load_file(file).items()}
    write_weights(tensors, path)


def mean_weights(files: Sequence[Path]) -> dict[str, Tensor]:
    """The mean of the weights of several exported files, float32.

    Runs that began from the same weights lie in one valley, and their mean is often better than each (Wortsman et al.
    2022, "model soups").

    Raises:
        InputError: when a file is of another network than the first.
    """
    states = [load_file(file) for file in files]
    for file, state in zip(files[1:], states[1:], strict=True):
        if wrong := misfit(states[0], state):
            raise InputError("files", f"{file} is of another network than {files[0]}: {wrong}.")
    return {name: torch.stack([state[name].float() for state in states]).mean(0) for name in states[0]}
