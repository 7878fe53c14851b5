"""Where the user's models of the transformers library lie: a folder each, in the host's folder for their task."""

from __future__ import annotations

from pathlib import Path

import folder_paths

from ..core.errors import InputError
from ..core.pretrained import Task, layout

KEYS: dict[Task, str] = {"clip": "VLM", "vlm": "VLM", "sam": "sams"}  # of the host's model folders


def model_folders(task: Task) -> dict[str, Path]:
    """Name -> folder of every model in models/VLM or models/sams and wherever else extra_model_paths.yaml says.

    Of two with one name, the user's own place wins.
    """
    found: dict[str, Path] = {}
    for base in _places(task):
        for config in sorted(base.glob("*/config.json")):
            found.setdefault(config.parent.name, config.parent)
    return found


def folder_names(task: Task) -> list[str]:
    """The choices of a node: names of folders, or one that says that there are none."""
    return sorted(model_folders(task)) or [f"(models/{KEYS[task]} holds no model folder)"]


def find_model(task: Task, model: str) -> Path:
    """The folder of a model by its name.

    Raises:
        InputError: when there is no such folder.
    """
    folders = model_folders(task)
    if model not in folders:
        places = " or ".join(map(str, _places(task)))
        raise InputError("model", f"there is no model folder '{model}' in {places}; put one there with {layout(task)}.")
    return folders[model]


def _places(task: Task) -> list[Path]:
    """The host's table is left as it is: other packs keep files of their own in these folders."""
    key = KEYS[task]
    known = folder_paths.folder_names_and_paths.get(key, ([], set()))[0]
    return list(dict.fromkeys([*map(Path, known), Path(folder_paths.models_dir) / key]))
