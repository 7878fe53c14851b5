"""The embedded VAE and Harmony-VAE: the host's classes, narrow, on latents of a quarter of the picture's side."""

from __future__ import annotations

from typing import TypeVar

from comfy.ldm.models.autoencoder import AutoencoderKL
from comfy.ldm.modules.diffusionmodules.model import Decoder, Encoder, ops
from torch import nn

from ...methods.diffharmony.network import HarmonyVAE

N = TypeVar("N", bound=nn.Module)

LATENT = 4  # channels
SCALE = 4  # pixels of a side for one of the latent's
SIZES = {
    "double_z": True,
    "z_channels": LATENT,
    "resolution": 64,
    "in_channels": 3,
    "out_ch": 3,
    "ch": 32,
    "ch_mult": [1, 2, 4],
    "num_res_blocks": 1,
    "attn_resolutions": [],
    "dropout": 0.0,
}
GROUPS = 8  # of the normalizations


def empty_vae() -> AutoencoderKL:
    """The VAE's network. The host's layers come without values."""
    return with_wide_groups(AutoencoderKL(ddconfig=SIZES, embed_dim=LATENT))


def empty_harmony_vae() -> HarmonyVAE:
    """Harmony-VAE's network, likewise."""
    quant = ops.Conv2d(2 * LATENT, 2 * LATENT, 1), ops.Conv2d(LATENT, LATENT, 1)
    return with_wide_groups(HarmonyVAE(Encoder(**SIZES), Decoder(**SIZES), *quant))


def with_wide_groups(network: N) -> N:
    """A network whose normalizations have fewer groups than the host's 32.

    With 32 groups of the first level's 32 channels each channel is normalized by itself, and the mean color of a
    picture is lost on its way out.
    """
    for module in network.modules():
        if isinstance(module, nn.GroupNorm):
            module.num_groups = GROUPS
    return network
