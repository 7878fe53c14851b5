"""Progress, previews and interrupts: the engine's callback on the host's."""

from __future__ import annotations

import logging
import time

import comfy.model_management
import comfy.utils
import latent_preview
from comfy.model_patcher import ModelPatcher
from comfy_execution.utils import get_executing_context
from torch import Tensor

from ...core.types import Callback

logger = logging.getLogger(__name__)

ESTIMATE_AFTER = 5.0  # seconds of work from which the rest is estimated
LONG = 120.0  # seconds of work in all that are worth a word


def progress(total: int, model: ModelPatcher | None = None) -> Callback:
    """A callback that moves the progress bar, shows the latent and raises when the user cancels.

    Where the work will take minutes, the log and the node say so once, as soon as it can be told.

    Args:
        total: units of work expected; a call's own `total` wins.
        model: its latent format turns previews into pictures, in the way the user chose for the host.
    """
    bar = comfy.utils.ProgressBar(total)
    previewer, started, told = None, time.monotonic(), False
    if model is not None:
        previewer = latent_preview.get_previewer(model.load_device, model.get_model_object("latent_format"))

    def callback(step: int, total: int, preview: Tensor | None = None) -> None:
        nonlocal told
        comfy.model_management.throw_exception_if_processing_interrupted()
        taken = time.monotonic() - started
        if not told and taken > ESTIMATE_AFTER:
            told = True
            _tell_estimate(taken, step, total)
        picture = None
        if previewer is not None and preview is not None:
            picture = previewer.decode_latent_to_preview_image("JPEG", preview[:1].detach())
        bar.update_absolute(step, total, picture)

    return callback


def _tell_estimate(taken: float, step: int, total: int) -> None:
    """Say how long a stage will take if it is long.

    Args:
        taken: seconds for the first `step` of `total` units.
    """
    expected = taken / step * total
    if expected < LONG:
        return
    sentence = f"This takes about {expected / 60:.0f} minutes: {total} steps of {taken / step:.1f} s."
    logger.warning("%s", sentence)
    context = get_executing_context()
    if context is not None:
        from server import PromptServer  # not before the server is there

        PromptServer.instance.send_progress_text(sentence, context.node_id)
