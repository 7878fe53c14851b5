"""Files of weights: those that ship with the pack, and the user's own."""

from __future__ import annotations

import hashlib
import json
import pickle
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

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
