"""The pack's folders among the host's models."""

from __future__ import annotations

import os

import folder_paths


def register_folder(name: str) -> None:
    """Make the host list models/`name`, unless the user's own paths name such a folder already."""
    if name not in folder_paths.folder_names_and_paths:
        folder = os.path.join(folder_paths.models_dir, name)
        folder_paths.folder_names_and_paths[name] = ([folder], set(folder_paths.supported_pt_extensions))
