"""Files of routed networks."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from ...core.errors import InputError
from ...core.weights import read_weights
from .network import Architecture, RoutedNetwork

EXPECTED = "expected a safetensors file that `python -m diff_harmonization.training routed` wrote"


def read_network(path: Path) -> RoutedNetwork:
    """The network of a file in evaluation mode, float32. The file's tensors say which architecture it has.

    Raises:
        InputError: when the file is no safetensors file, cannot be read, or is of another network.
    """
    if path.suffix != ".safetensors":
        raise InputError("path", f"{path.name} is no safetensors file; {EXPECTED}.")
    try:
        state: dict[str, Tensor] = read_weights(path)
    except ValueError as error:
        raise InputError("path", f"{path.name} {error}; {EXPECTED}.") from error
    network = RoutedNetwork(architecture_of(state))
    own = {name: value for name, value in network.state_dict().items() if value.is_floating_point()}
    wrong = [
        *(f"{name} is missing" for name in own.keys() - state.keys()),
        *(f"{name} is not expected" for name in state.keys() - own.keys()),
        *(
            f"{name} is {tuple(state[name].shape)} where {tuple(own[name].shape)} is expected"
            for name in own.keys() & state.keys()
            if state[name].shape != own[name].shape
        ),
    ]
    if wrong:
        raise InputError(
            "path",
            f"{path.name} is no routed harmonizer: {sorted(wrong)[0]} (and {len(wrong) - 1} more differences); "
            f"{EXPECTED}.",
        )
    network.load_state_dict(network.state_dict() | {name: value.float() for name, value in state.items()})
    return network.eval().requires_grad_(False)


def architecture_of(state: dict[str, Tensor]) -> Architecture:
    """What a file's tensors were trained with: each part of the ablation has sizes or names of its own."""
    whole = RoutedNetwork().head[0].weight.shape
    own = state.get("head.0.weight")
    return Architecture(
        importance=own is None or own.shape == whole,
        transformer=not any(".parts." in name for name in state),
    )
