"""Files that are whole or not there: a training may be stopped at any moment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor, nn


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name to write to; the file takes the place of `path` once it is complete."""
    temporary = path.with_suffix(".tmp")
    yield temporary
    temporary.replace(path)


def weights_of(network: nn.Module) -> dict[str, Tensor]:
    """What an exported file holds: all but the counters of the normalizations."""
    return {name: value for name, value in network.state_dict().items() if value.is_floating_point()}


def write_weights(state: Mapping[str, Tensor], path: Path) -> None:
    """Write tensors as safetensors, floating-point ones in half precision."""
    tensors = {
        name: (value.half() if value.is_floating_point() else value).contiguous().cpu() for name, value in state.items()
    }
    with replacing(path) as temporary:
        save_file(tensors, temporary)
