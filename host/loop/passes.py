"""A loop's finished passes in the host: saved, shown on the node, named in the log and in errors."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import comfy.utils
import folder_paths
import torch
from comfy_api.latest import io, ui
from PIL import Image
from torch import Tensor

from ...core.errors import PassError
from ...loop.states import LoopStates

logger = logging.getLogger(__name__)

PREFIX = "harmonize_passes/pass"
PREVIEW_SIDE = 512  # pixels


class KeptPasses:
    """Keeps a loop's passes as files, whatever becomes of the later ones.

    Args:
        earlier: files of loops before this one; errors name them, too.
    """

    def __init__(self, earlier: Sequence[Path] = ()) -> None:
        self.earlier = tuple(earlier)
        self.files: list[ui.SavedResult] = []

    @property
    def paths(self) -> list[Path]:
        return [*self.earlier, *map(path_of, self.files)]

    def keep(self, states: LoopStates) -> None:
        """Save and show the latest pass."""
        self.files.extend(save_pass(states))

    @contextmanager
    def errors_name(self, *place: str) -> Iterator[None]:
        """An error says where it happened and which passes are saved. The interrupt is the host's.

        Args:
            place: parts of the place's name; empty ones do not count. Before the first pass there is no name and no
                file to add: the error stays as it is.
        """
        where = ", ".join(filter(None, place))
        try:
            yield
        except Exception as error:
            if not (where or self.paths):
                raise
            raise PassError(where, error, self.paths) from error


def save_pass(states: LoopStates) -> tuple[ui.SavedResult, ...]:
    """Save the latest pass as PNG in the host's temp folder, name the file in the log and show it on the node.

    Returns:
        The file; none where it cannot be written. The copy is a courtesy: the loop goes on without it.
    """
    number, image = states.count, states.images[-1]
    if (repeated := states.repeated_trial) is not None:
        logger.warning(
            "Trial %d has the description of trial %d, '%s'; lower k to the number of descriptions.",
            number,
            repeated,
            states.descriptions[-1],
        )
    first, *_, score = states.scores
    try:
        files = tuple(ui.ImageSaveHelper.save_images(image, f"{PREFIX}_{number:02}", io.FolderType.temp, cls=None))
        logger.info("pass %d scores %.4f (composite %.4f), saved as %s", number, score, first, path_of(files[0]))
    except OSError as error:
        files = ()
        logger.info("pass %d scores %.4f (composite %.4f)", number, score, first)
        logger.warning("A pass could not be saved (%s). The loop goes on; the pass is lost if it fails.", error)
    _show(image, number, states.policy.max_passes)
    return files


def path_of(file: ui.SavedResult) -> Path:
    """Where a file of the host's temp folder lies."""
    return Path(folder_paths.get_temp_directory(), file.subfolder, file.filename)


def shown(states: LoopStates, files: Sequence[ui.SavedResult]) -> dict[str, Any]:
    """The node's UI: the latest saved pass, in the end all of them; and a line for each state."""
    return {"images": list(files if states.concluded else files[-1:]), "text": [states.summary()]}


def to_pick(states: LoopStates, taken: int) -> dict[str, Any]:
    """The UI of a loop that has ended: every state with its picture, for web/pass_picker.js, and a line for each.

    Args:
        states: all of them.
        taken: the one that the node gives.
    """
    each = zip(_pictures(states), states.names, states.scores, states.told(), states.reasons(), strict=True)
    picks = [
        {"image": file, "name": name, "score": score, "words": words, "why": why}
        for file, name, score, words, why in each
    ]
    return {"passes": picks, "taken": [taken], "chosen": [states.chosen], "text": [states.summary()]}


def _pictures(states: LoopStates) -> list[dict[str, Any] | None]:
    """A file of the host's temp folder for each state; none where it cannot be written."""
    try:
        saved = ui.ImageSaveHelper.save_images(
            torch.cat(states.images), f"{PREFIX}_state", io.FolderType.temp, cls=None
        )
    except OSError as error:
        logger.warning("The passes cannot be shown (%s).", error)
        return [None] * len(states.images)
    return [dict(file) for file in saved]


def _show(image: Tensor, number: int, total: int) -> None:
    pixels = (image[0, ..., :3].cpu() * 255).round().clamp(0, 255).byte().numpy()
    preview = ("JPEG", Image.fromarray(pixels), PREVIEW_SIDE)
    comfy.utils.ProgressBar(total).update_absolute(number, total, preview)  # also where a cancelled run ends
