"""Load the embedded weights into the host's MODEL, CLIP and VAE."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import comfy.model_management
import comfy.model_patcher
import comfy.sd
import torch
from comfy.supported_models_base import ClipTarget
from safetensors.torch import load_file
from torch import Tensor

from ..core.weights import shipped_weights
from .text import MiniClip, MiniTokenizer
from .unet import MiniModel, mini_config

MANIFEST = Path(__file__).with_name("weights.json")
VOCABULARY_SIZE = 49408  # CLIP's


def weights_path() -> Path:
    """The embedded weights, checked against the hash in weights.json.

    Raises:
        FileNotFoundError: when the file is missing.
        ValueError: when the file is not the released one.
    """
    return shipped_weights(MANIFEST)


def load_mini() -> tuple[comfy.model_patcher.ModelPatcher, comfy.sd.CLIP, comfy.sd.VAE]:
    """The embedded model as the host's three handles, in float32: it is small, and gradients need the precision.

    Raises:
        FileNotFoundError: when the file of the weights is missing.
        ValueError: when it is not the released one.
    """
    weights = load_file(weights_path())
    model = load_unet(weights)
    model.cached_patcher_init = (load_unet_patcher, ())
    clip = load_clip(weights)
    clip.patcher.cached_patcher_init = (load_clip_patcher, ())
    return model, clip, comfy.sd.VAE(sd={"pixel_space_vae": torch.tensor(1.0)})


def load_unet(weights: dict[str, Tensor], disable_dynamic: bool = False) -> comfy.model_patcher.ModelPatcher:
    offload = comfy.model_management.unet_offload_device()
    model = MiniModel(mini_config(torch.float32), device=offload)
    model.diffusion_model.load_state_dict(part(weights, "unet."))
    return patcher_class(disable_dynamic)(
        model, load_device=comfy.model_management.get_torch_device(), offload_device=offload
    )


def load_clip(weights: dict[str, Tensor], disable_dynamic: bool = False) -> comfy.sd.CLIP:
    clip = comfy.sd.CLIP(
        ClipTarget(MiniTokenizer, MiniClip), model_options={"dtype": torch.float32}, disable_dynamic=disable_dynamic
    )
    state = part(weights, "text.")
    table = "text_model.embeddings.token_embedding.weight"
    # MiniTokenizer reads every word as a trained one; what is left, digits and punctuation, says nothing.
    full = torch.zeros(VOCABULARY_SIZE, state[table].shape[1])
    full[weights["token_ids"].long()] = state[table]
    state[table] = full
    state["text_projection.weight"] = torch.eye(full.shape[1])
    clip.cond_stage_model.clip_h.transformer.load_state_dict(state)
    return clip


def part(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors of one network, float32."""
    return {name.removeprefix(prefix): value.float() for name, value in weights.items() if name.startswith(prefix)}


def patcher_class(disable_dynamic: bool) -> type[comfy.model_patcher.ModelPatcher]:
    return comfy.model_patcher.ModelPatcher if disable_dynamic else comfy.model_patcher.CoreModelPatcher


def load_unet_patcher(disable_dynamic: bool = False) -> comfy.model_patcher.ModelPatcher:
    """A fresh MODEL: what the host calls when it wants a private copy."""
    return load_unet(load_file(weights_path()), disable_dynamic)


def load_clip_patcher(disable_dynamic: bool = False) -> comfy.model_patcher.ModelPatcher:
    return load_clip(load_file(weights_path()), disable_dynamic).patcher
