"""The weights that ship with the pack."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path


def shipped_weights(manifest: Path, node: str) -> Path:
    """The file that a manifest {"file", "sha256"} beside it names, checked against its hash.

    `node` is the name of the node that asks, for the errors. Raises FileNotFoundError or ValueError when the file is
    missing or is not the released one.
    """
    entry = json.loads(manifest.read_text())
    path = manifest.parent / entry["file"]
    if not path.is_file():
        raise FileNotFoundError(
            f"{node}: {path} is missing. It ships with the pack: put it back, or reinstall the pack."
        )
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != entry["sha256"]:
        raise ValueError(
            f"{node}: {path} has sha256 {digest}, expected {entry['sha256']}. "
            "The file is damaged or from another version: reinstall the pack."
        )
    return path
