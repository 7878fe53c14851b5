"""Where the user's vision models lie."""

from __future__ import annotations

from pathlib import Path

import folder_paths

from ...core.errors import InputError
from ...description.local.loading import LAYOUT

KEY = "VLM"  # of the host's model folders


def model_folders() -> dict[str, Path]:
    """Name -> folder of every model in models/VLM and wherever else extra_model_paths.yaml says; the first wins."""
    folder_paths.add_model_folder_path(KEY, str(Path(folder_paths.models_dir) / KEY))
    found: dict[str, Path] = {}
    for base in folder_paths.get_folder_paths(KEY):
        for config in sorted(Path(base).glob("*/config.json")):
            found.setdefault(config.parent.name, config.parent)
    return found


def find_model(model: str) -> Path:
    """The folder of a model by its name.

    Raises:
        InputError: when there is no such folder.
    """
    folders = model_folders()
    if model not in folders:
        places = " or ".join(folder_paths.get_folder_paths(KEY))
        raise InputError("model", f"there is no model folder '{model}' in {places}; put one there with {LAYOUT}.")
    return folders[model]
