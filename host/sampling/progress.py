"""Progress, previews and interrupts: the engine's callback on the host's."""

from __future__ import annotations

import comfy.model_management
import comfy.utils
import latent_preview
from comfy.model_patcher import ModelPatcher
from torch import Tensor

from ...core.types import Callback


def progress(total: int, model: ModelPatcher | None = None) -> Callback:
    """A callback that moves the progress bar, shows the latent and raises when the user cancels.

    Args:
        total: units of work expected; a call's own `total` wins.
        model: its latent format turns previews into pictures, in the way the user chose for the host.
    """
    bar = comfy.utils.ProgressBar(total)
    previewer = None
    if model is not None:
        previewer = latent_preview.get_previewer(model.load_device, model.get_model_object("latent_format"))

    def callback(step: int, total: int, preview: Tensor | None = None) -> None:
        comfy.model_management.throw_exception_if_processing_interrupted()
        picture = None
        if previewer is not None and preview is not None:
            picture = previewer.decode_latent_to_preview_image("JPEG", preview[:1].detach())
        bar.update_absolute(step, total, picture)

    return callback
