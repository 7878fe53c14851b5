"""The weights that ship with the pack."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path


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
