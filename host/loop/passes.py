"""The passes of a loop as they are made: kept, saved, shown and named in the log."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import comfy.utils
import folder_paths
import torch
from comfy_api.latest import io, ui
from PIL import Image
from torch import Tensor

from ...loop.policy import Decision, LoopPolicy, decide

logger = logging.getLogger(__name__)

PREFIX = "harmonize_passes/pass"
PREVIEW_SIDE = 512  # pixels


@dataclass(frozen=True)
class Passes:
    """The states of a loop so far; index 0 is the composite, index n what pass n made."""

    images: tuple[Tensor, ...] = field(repr=False)  # each [1,H,W,3], sRGB in 0-1, as computed: never rounded
    scores: tuple[float, ...]
    descriptions: tuple[str, ...] = ("",)  # of the composite: none
    files: tuple[ui.SavedResult, ...] = ()  # of pass 1 and on, in the host's temp folder

    @property
    def count(self) -> int:
        """Finished passes."""
        return len(self.images) - 1

    def add(self, image: Tensor, score: float, description: str, node: str) -> Passes:
        """One more pass. Raises ValueError, naming the node, when its picture is not of the composite's size."""
        if image.shape != self.images[0].shape:
            raise ValueError(
                f"{node}, input image: pass {self.count + 1} made {_size(image)}, expected {_size(self.images[0])} as "
                f"the loop's image. Carry the edit to the loop's image with FitColorLUT and ApplyColorLUT."
            )
        return replace(
            self,
            images=(*self.images, image),
            scores=(*self.scores, score),
            descriptions=(*self.descriptions, description),
        )

    @property
    def batch(self) -> Tensor:
        """IMAGE [n+1,H,W,3]."""
        return torch.cat(self.images)

    @property
    def paths(self) -> list[Path]:
        return [Path(folder_paths.get_temp_directory(), file.subfolder, file.filename) for file in self.files]

    def decisions(self, policy: LoopPolicy) -> tuple[Decision, ...]:
        return decide(self.scores, policy, self.descriptions)

    def results(self, policy: LoopPolicy) -> tuple[Tensor, Tensor, list[float], list[str], list[str], int]:
        """What the loop gives: best picture, all pictures, scores, descriptions, decisions, index of the best."""
        decisions = self.decisions(policy)
        chosen = decisions[-1].source
        actions: list[str] = [decision.action for decision in decisions]
        return self.images[chosen], self.batch, list(self.scores), list(self.descriptions), actions, chosen

    def shown(self, policy: LoopPolicy) -> dict[str, Any]:
        """The node's UI: the last saved pass, in the end all of them; and a line a state."""
        ended = self.decisions(policy)[-1].action == "conclude"
        return {"images": list(self.files if ended else self.files[-1:]), "text": [self.summary(policy)]}

    def summary(self, policy: LoopPolicy) -> str:
        """A line a state: its score, its description, and what was decided on it."""
        lines = []
        for index, decision in enumerate(self.decisions(policy)):
            then = {
                "continue": f"continue from {decision.source}",
                "regenerate": f"back to {decision.source}, another description",
                "conclude": f"conclude: {decision.source} is best",
            }.get(decision.action, decision.action)
            name = f"pass {index}" if index else "composite"
            lines.append(f"{name}: {self.scores[index]:.4f}  {self.descriptions[index]}  -> {then}")
        return "\n".join(lines)


def keep_pass(passes: Passes, policy: LoopPolicy, node: str) -> Passes:
    """Saves the last pass as PNG in the host's temp folder, names the file in the log and shows it on the node.

    Args:
        node: name of the node, for the log.
    """
    number, words = passes.count, passes.descriptions[-1]
    if words and number <= policy.k and words in passes.descriptions[:-1]:
        logger.warning(
            "%s: trial %d has the description of trial %d, '%s'; lower k to the number of descriptions there are.",
            node,
            number,
            passes.descriptions.index(words),
            words,
        )
    (file,) = ui.ImageSaveHelper.save_images(passes.images[-1], f"{PREFIX}_{number:02}", io.FolderType.temp, cls=None)
    kept = replace(passes, files=(*passes.files, file))
    first, *_, score = passes.scores
    logger.info("%s: pass %d scores %.4f (composite %.4f), saved as %s", node, number, score, first, kept.paths[-1])
    _show(passes.images[-1], number, policy.max_passes)
    return kept


def _show(image: Tensor, number: int, total: int) -> None:
    pixels = (image[0, ..., :3].cpu() * 255).round().clamp(0, 255).byte().numpy()
    preview = ("JPEG", Image.fromarray(pixels), PREVIEW_SIDE)
    comfy.utils.ProgressBar(total).update_absolute(number, total, preview)  # also where a cancelled run ends


def _size(image: Tensor) -> str:
    return f"{image.shape[2]}x{image.shape[1]} (batch of {image.shape[0]}, {image.shape[3]} channels)"
