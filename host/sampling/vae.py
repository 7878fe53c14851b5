"""The host's VAE as a decoder through which gradients flow."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

import comfy.model_management as management
import torch
from comfy.ldm.modules.diffusionmodules.model import AttnBlock, ResnetBlock, Upsample
from comfy.model_patcher import ModelPatcher
from comfy.sd import VAE
from comfy.taesd.taesd import Block
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ...core.errors import InputError
from .gradients import private_copy
from .saved import sparing
from .upsampling import fuse_upsampling

logger = logging.getLogger(__name__)

# What the decoder's activations take for a backward pass, in units of the host's own estimate for decoding alone:
# 5.9 GB to 2.3 GB for SD's VAE at 512 pixels in float32, rounded up for the edge detectors.
BACKWARD_MEMORY = 3


class DifferentiableDecoder:
    """Latents in model space [B,C,h,w] to pictures [B,3,H,W] in about 0-1, not clamped, so that gradients stay.

    Args:
        vae: the host's VAE; only its sizes are used.
        model: whose latents they are.
        patcher: a private copy of the VAE's weights, loaded when the decoder is called.
    """

    def __init__(self, vae: VAE, model: ModelPatcher, patcher: ModelPatcher) -> None:
        self.vae, self.patcher = vae, patcher
        self.process_out = model.model.process_latent_out
        self.network, self.device = patcher.model, patcher.load_device
        self.called = False

    def __call__(self, latent: Tensor) -> Tensor:
        samples = self.process_out(latent).to(self.device, torch.float32)
        needed = decoding_memory(self.vae, tuple(samples.shape))
        if not self.called:
            self._fit_memory(BACKWARD_MEMORY * needed)
        with nullcontext() if self.device.type == "cpu" else sparing(needed):
            return (self.network.decode(samples) + 1) / 2

    def _fit_memory(self, needed: int) -> None:
        self.called = True
        free: Any = management.get_free_memory(self.device)
        if free < needed:
            logger.info("%.1f GB are free: the VAE's activations are computed again, not kept.", free / 1e9)
            recompute_blocks(self.network)


def decoding_memory(vae: VAE, latent_shape: tuple[int, ...]) -> int:
    """Bytes for decoding latents (B, C, h, w) in float32, as the host estimates them.

    A decoder that computes its activations again needs half of it at a time: 1.1 GiB for SD's VAE at 512 pixels, 4.5 at
    1024.
    """
    return int(vae.memory_used_decode(latent_shape, torch.float32))


@contextmanager
def differentiable_decoder(vae: VAE, model: ModelPatcher) -> Iterator[tuple[DifferentiableDecoder, ModelPatcher]]:
    """A private decoder, and a clone of the model with which the host will load it; freed on leaving.

    Open `engine_boundary` first. The shared VAE is not changed.
    """
    with private_copy(vae.patcher) as patcher:
        if not patcher.patches:  # they are added to the weights as these were
            fuse_upsampling(patcher.model)
        beside = model.clone()
        beside.set_additional_models("diff_harmonization", [patcher])
        yield DifferentiableDecoder(vae, model, patcher), beside


def recompute_blocks(network: nn.Module) -> None:
    """Makes a private VAE keep each block's input alone and compute the rest again in the backward pass.

    The same gradients from less than half of the memory, for one more forward pass; where `sparing` moves the inputs
    away, from a fifth.
    """
    for block in recomputed_blocks(network):
        block.forward = partial(checkpoint, block.forward, use_reentrant=False, preserve_rng_state=False)


def recomputed_blocks(network: nn.Module) -> list[Any]:
    """The modules of a VAE that `recompute_blocks` alters."""
    return [x for x in network.modules() if isinstance(x, (ResnetBlock, AttnBlock, Upsample, Block))]


def encoded_frame(vae: VAE, pixels: Tensor) -> Tensor:
    """What the VAE sees of pictures [B,H,W,C]: the host cuts sides to the VAE's multiple, evenly at both ends."""
    return vae.vae_encode_crop_pixels(pixels)


def require_vae_of(vae: VAE, latent_shape: tuple[int, ...]) -> None:
    """Refuse a VAE that cannot decode certain latents.

    Args:
        vae: the host's VAE.
        latent_shape: (B, C, h, w).

    Raises:
        InputError: when it decodes something else than pictures, or latents of other channels.
    """
    vae.throw_exception_if_invalid()
    if vae.latent_dim != 2 or vae.latent_channels != latent_shape[1]:
        raise InputError(
            "vae",
            f"got {type(vae.first_stage_model).__name__} for latents of {vae.latent_channels} channels, but the "
            f"inverted latent has {latent_shape[1]}. Use the VAE that encoded the inverted picture.",
        )
