"""Files of routed networks."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from ...core.errors import InputError
from ...core.weights import misfit, read_table
from .network import AVERAGED, Architecture, RoutedNetwork

MANIFEST = Path(__file__).with_name("weights.json")  # of the network that ships
EXPECTED = "expected a safetensors file that `python -m diff_harmonization.training routed` wrote"


def read_network(path: Path) -> RoutedNetwork:
    """The network of a file in evaluation mode, float32. The file's tensors say which architecture it has.

    Raises:
        InputError: when the file is no safetensors file, cannot be read, or is of another network.
    """
    if path.suffix != ".safetensors":
        raise InputError("path", f"{path.name} is no safetensors file; {EXPECTED}.")
    state = read_table(path, EXPECTED)
    network = RoutedNetwork(architecture_of(state))
    own = {name: value for name, value in network.state_dict().items() if value.is_floating_point()}
    if wrong := misfit(own, state):
        raise InputError("path", f"{path.name} is no routed harmonizer: {wrong}; {EXPECTED}.")
    network.load_state_dict(network.state_dict() | {name: value.float() for name, value in state.items()})
    return network.eval().requires_grad_(False)


def architecture_of(state: dict[str, Tensor]) -> Architecture:
    """What a file's tensors were trained with: each part of the ablation has sizes or names of its own."""
    norm = state.get("head.0.weight")
    return Architecture(
        importance=norm is None or len(norm) != 2 * AVERAGED,
        transformer=not any(".parts." in name for name in state),
    )
