"""The example that the templates open with, where the host's own boxes find it."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import folder_paths

logger = logging.getLogger(__name__)

EXAMPLES = Path(__file__).resolve().parents[1] / "workflows" / "examples"
# Names in the host's input folder -> the files that ship. The browser looks for a template's pictures there alone.
OFFERED = {
    "harmonize_example.jpg": "table_meadow/composite.jpg",
    "harmonize_example_mask.png": "table_meadow/mask.png",
    "harmonize_example_person.jpg": "person_mountain/composite.jpg",
    "harmonize_example_person_mask.png": "person_mountain/mask.png",
    "harmonize_example_head.png": "template/head.png",
    "harmonize_example_body.png": "template/body.png",
    "harmonize_example_astronaut.png": "template/person.png",
    "harmonize_example_helmet.png": "template/helmet.png",
    "harmonize_example_background.jpg": "building_sunset/composite.jpg",
    "harmonize_example_background_mask.png": "building_sunset/mask.png",
    "harmonize_example_object.png": "template/object.png",
}


def offer_example() -> None:
    """Copy the example into the input folder, unless there are files of these names. Without it the pack works, too."""
    folder = Path(folder_paths.get_input_directory())
    for name, source in OFFERED.items():
        if not (folder / name).exists():
            try:
                folder.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(EXAMPLES / source, folder / name)
            except OSError as error:
                logger.warning("The templates' example cannot be put into the input folder: %s", error)
                return
