"""Files of weights: those that ship with the pack, and the user's own."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from .errors import InputError

# The unpickler stumbles in many ways over bytes that are no pickle.
UNREADABLE = (pickle.UnpicklingError, RuntimeError, EOFError, LookupError, ValueError, SafetensorError)


def shipped_weights(manifest: Path) -> Path:
    """The file of weights that a manifest names, checked against its hash.

    Args:
        manifest: a JSON file {"file", "sha256"}; the weights' path is relative to its folder.

    Returns:
        The path of the weights.

    Raises:
        FileNotFoundError: when the file is missing.
        ValueError: when the file is not the released one.
    """
    entry = json.loads(manifest.read_text())
    path = manifest.parent / entry["file"]
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing. It ships with the pack: put it back, or reinstall the pack.")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != entry["sha256"]:
        raise ValueError(
            f"{path} has sha256 {digest}, expected {entry['sha256']}. "
            "The file is damaged or from another version: reinstall the pack."
        )
    return path


def read_weights(path: Path) -> Any:
    """What a safetensors or a PyTorch file holds, on the CPU. Nothing but tensors is read: no code of the file runs.

    Returns:
        A table from names to tensors, if the file is what it should be; `state_dict` alone where there is one.

    Raises:
        ValueError: when the file cannot be read. The message goes on from the file's name.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        value = torch.load(path, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        raise ValueError("cannot be read as weights: it is damaged or something else") from error
    return value.get("state_dict", value) if isinstance(value, dict) else value


def read_table(path: Path, expected: str) -> dict[str, Tensor]:
    """The tensors of a safetensors or a PyTorch file by their names, see `read_weights`.

    Args:
        path: the file.
        expected: what it should be, for the error.

    Raises:
        InputError: when the file cannot be read, or holds something else than a table of numbers.
    """
    try:
        value = read_weights(path)
    except ValueError as error:
        raise InputError("path", f"{path.name} {error}; {expected}.") from error
    if not isinstance(value, dict) or not all(isinstance(item, Tensor) for item in value.values()):
        raise InputError("path", f"{path.name} holds a {type(value).__name__}, not a table of weights; {expected}.")
    if not all(bool(item.isfinite().all()) for item in value.values()):
        raise InputError("path", f"{path.name} is damaged: it holds values that are no numbers (NaN or infinite).")
    return value


def misfit(own: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> str:
    """How a file's tensors differ from those of a network, in words; empty where they fit.

    Args:
        own: the network's tensors.
        state: the file's.
    """
    wrong = sorted(
        [
            *(f"{name} is missing" for name in own.keys() - state.keys()),
            *(f"{name} is not expected" for name in state.keys() - own.keys()),
            *(
                f"{name} is {tuple(state[name].shape)} where {tuple(own[name].shape)} is expected"
                for name in own.keys() & state.keys()
                if state[name].shape != own[name].shape
            ),
        ]
    )
    more = f" (and {len(wrong) - 1} more differences)" if len(wrong) > 1 else ""
    return wrong[0] + more if wrong else ""
