"""What the host's MODEL is, and its noise levels."""

from __future__ import annotations

import comfy.model_base
import comfy.model_sampling
import comfy.samplers
from comfy.ldm.modules.attention import BasicTransformerBlock, SpatialVideoTransformer
from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel
from comfy.model_patcher import ModelPatcher
from torch import Tensor

from ...core.errors import InputError


def family(model: ModelPatcher) -> UNetModel:
    """The UNet inside a MODEL of the SD1, SD2 or SDXL family, eps- or v-prediction.

    Args:
        model: the host's MODEL.

    Raises:
        InputError: when the MODEL is of another family.
    """
    unet = model.get_model_object("diffusion_model")
    sampling = model.get_model_object("model_sampling")
    if not isinstance(unet, UNetModel):
        found = type(unet).__name__
    elif unet.num_classes is not None and not is_sdxl(model):
        found = "a UNet with another pooled conditioning than SDXL's, such as SDXL Refiner's or unCLIP's"
    elif any(isinstance(module, SpatialVideoTransformer) for module in unet.modules()):
        found = "a video UNet"
    elif not isinstance(sampling, comfy.model_sampling.EPS):
        found = f"a UNet that predicts neither eps nor v ({' + '.join(c.__name__ for c in type(sampling).__bases__)})"
    else:
        return unet
    raise InputError(
        "model",
        f"got {found} ({type(model.model).__name__}), expected a UNet of SD1.5, SD2 or SDXL with eps- or v-prediction. "
        "Load such a checkpoint, or the pack's own model of 64x64 pixels.",
    )


def is_sdxl(model: ModelPatcher) -> bool:
    """Whether a MODEL is SDXL's base or made from it; it then reads pooled text and sizes. SDXL Refiner is another."""
    return isinstance(model.model, comfy.model_base.SDXL)


def require_text_width(model: ModelPatcher, width: int, parameter: str = "clip") -> None:
    """Refuse texts of another width than the MODEL reads.

    Args:
        model: the host's MODEL, see `family`.
        width: of the texts, their last dimension.
        parameter: the name that the calling function has for what made them.

    Raises:
        InputError: when the widths differ.
    """
    expected = next(
        module.attn2.to_k.in_features
        for module in family(model).modules()
        if isinstance(module, BasicTransformerBlock) and module.attn2 is not None
    )
    if width != expected:
        raise InputError(
            parameter,
            f"it gives texts {width} numbers wide, and the model reads {expected}. It belongs to another model. Take "
            f"MODEL, CLIP and VAE from one loader box.",
        )


def sigmas_for(model: ModelPatcher, steps: int) -> Tensor:
    """The host's `ddim_uniform` noise levels.

    A stock sampler that gets these SIGMAS visits the same levels.

    Args:
        model: the host's MODEL.
        steps: at least 1. The host rounds it.

    Returns:
        [N+1], descending, the last 0; N need not equal `steps`.

    Raises:
        InputError: for less than one step.
    """
    if steps < 1:
        raise InputError("steps", f"got {steps}, expected at least 1.")
    return comfy.samplers.calculate_sigmas(model.get_model_object("model_sampling"), "ddim_uniform", steps)
