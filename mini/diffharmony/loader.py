"""Load the embedded DiffHarmony into the host's MODEL, CLIP and VAE, and the pack's Harmony-VAE."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, cast, get_args

import comfy.model_management
import comfy.sd
import torch
from comfy.model_patcher import ModelPatcher
from safetensors.torch import load_file
from torch import Tensor, nn

from ...core.errors import InputError
from ...core.weights import shipped_weights
from ...host.diffharmony.harmonizer import Models, SamplingSettings
from ...host.diffharmony.vae import HostHarmonyVAE
from ..loader import load_clip, load_clip_patcher, part, patcher_class, weights_path
from .unet import SIZE, HarmonyModel, harmony_config
from .vae import LATENT, SCALE, SIZES, empty_harmony_vae, with_wide_groups

Direction = Literal["harmonize", "inverse"]
DIRECTIONS: tuple[Direction, ...] = get_args(Direction)
SETTINGS = SamplingSettings(size=SIZE, view="crop")  # what the networks were trained for
SEEDS = 4  # that are averaged, with `carried`'s "lut"
# The first holds the VAE, which both directions share.
MANIFESTS = {direction: Path(__file__).with_name(f"{direction}.json") for direction in DIRECTIONS}


def load_diffharmony(direction: Direction = "harmonize") -> Models:
    """The embedded networks, in float32: they are small.

    Args:
        direction: "harmonize", or "inverse" to make composites of photographs.

    Raises:
        InputError: for another direction.
        FileNotFoundError: when a file of weights is missing.
        ValueError: when it is not the released one.
    """
    if direction not in DIRECTIONS:
        raise InputError("direction", f"got '{direction}', expected one of {', '.join(DIRECTIONS)}.")
    shared, own = (load_file(shipped_weights(MANIFESTS[each])) for each in (DIRECTIONS[0], direction))
    return assembled(shared, own, direction)


def assembled(shared: Mapping[str, Tensor], own: Mapping[str, Tensor], direction: Direction) -> Models:
    """The host's handles around weights as `training bundle` writes them: the VAE's, and those of a direction."""
    model = load_unet(own)
    model.cached_patcher_init = (load_unet_patcher, (direction,))
    clip = load_clip(load_file(weights_path()))
    clip.patcher.cached_patcher_init = (load_clip_patcher, ())
    return Models(model, clip, load_vae(shared), load_harmony_vae(own, direction))


def load_unet(weights: Mapping[str, Tensor], disable_dynamic: bool = False) -> ModelPatcher:
    offload = comfy.model_management.unet_offload_device()
    model = HarmonyModel(harmony_config(torch.float32), device=offload)
    model.diffusion_model.load_state_dict(part(weights, "unet."))
    return patcher_class(disable_dynamic)(
        model, load_device=comfy.model_management.get_torch_device(), offload_device=offload
    )


def load_unet_patcher(direction: Direction, disable_dynamic: bool = False) -> ModelPatcher:
    """A fresh MODEL: what the host calls when it wants a private copy."""
    return load_unet(load_file(shipped_weights(MANIFESTS[direction])), disable_dynamic)


def load_vae(weights: Mapping[str, Tensor]) -> comfy.sd.VAE:
    vae = comfy.sd.VAE(
        sd=part(weights, "vae."), config={"params": {"ddconfig": SIZES, "embed_dim": LATENT}}, dtype=torch.float32
    )
    with_wide_groups(cast(nn.Module, vae.first_stage_model))
    vae.downscale_ratio = vae.upscale_ratio = SCALE
    return vae


def load_harmony_vae(weights: Mapping[str, Tensor], direction: Direction) -> HostHarmonyVAE:
    network = empty_harmony_vae()
    network.load_state_dict(part(weights, "harmony_vae."))
    return HostHarmonyVAE(f"embedded, {direction}", network)
