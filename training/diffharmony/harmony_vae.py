"""Train the embedded Harmony-VAE. Needs the host, and the trained VAE; no UNet."""

from __future__ import annotations

import copy
import logging
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from ...core.masks import foreground
from ...methods.diffharmony.network import HarmonyVAE
from ..files import weights_of, write_weights
from ..mini.network import has_fast_bf16
from ..routed.sampler import Batch
from ..runner import parameter_count, training_device
from ..runner import train as run_training
from ..settings import HarmonyVAESettings
from .setup import as_pixels, open_sampler, start_run
from .unet import inside
from .vae import PARTS, moments, random_part, read_vae

logger = logging.getLogger(__name__)

WHOLE = 0.5  # weight of the error over the whole picture, beside that inside the mask


def train(photos: Path, work: Path, vae: Path, settings: HarmonyVAESettings, *, inverse: bool = False) -> None:
    """Train, or go on from the last checkpoint of the folder.

    Args:
        photos: photo set; its split "train" is used.
        work: takes the squares, the checkpoint, and the weights as harmony_vae.safetensors.
        vae: exported weights of the VAE.
        settings: see there.
        inverse: learn to decode composites with the photograph beside them.

    Raises:
        ValueError: when a checkpoint is of another network.
    """
    work.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    device = training_device()
    encoder = read_vae(vae).to(device)
    network = start(encoder, settings).to(device)
    sampler = open_sampler(photos, work, settings)
    logger.info("%s, %d squares", parameter_count(network), len(sampler.crops.objects))

    def step_losses(step: int) -> dict[str, Tensor]:
        given = torch.cat(planes(sampler.batch(step, settings.batch), inverse=inverse), dim=1)
        if step < PARTS * settings.steps:
            given = random_part(given, torch.Generator().manual_seed(step))
        condition, target, mask = given.to(device).split((3, 3, 1), dim=1)
        with torch.autocast(device.type, torch.bfloat16, enabled=has_fast_bf16(device)):
            return losses(network, encoder, condition.contiguous(), target.contiguous(), mask)

    run_training(
        start_run(network, settings),
        step_losses,
        work / "checkpoint.pt",
        lambda average: write_weights(weights_of(average), work / "harmony_vae.safetensors"),
    )


def start(vae: Any, settings: HarmonyVAESettings) -> HarmonyVAE:
    """The network before its first step: the VAE's parts, which decode as it does since the skips are at zero.

    Args:
        vae: the trained VAE.
        settings: `initial` replaces the VAE's parts, `zero` and `decoder` say what starts at zero and what learns.
    """
    parts = copy.deepcopy(vae).float().requires_grad_(True)
    network = HarmonyVAE(parts.encoder, parts.decoder, parts.quant_conv, parts.post_quant_conv)
    if settings.initial is not None:
        network.load_state_dict({name: value.float() for name, value in load_file(settings.initial).items()})
    if not settings.zero:
        for skip in (network.mask_conv, *network.skips, network.mid_skip, network.latent_skip):
            cast(nn.Conv2d, skip).reset_parameters()
    network.quant_conv.requires_grad_(False)
    network.post_quant_conv.requires_grad_(False)
    network.decoder.requires_grad_(settings.decoder)
    return network


def planes(batch: Batch, *, inverse: bool) -> tuple[Tensor, Tensor, Tensor]:
    """What is given and what is to be decoded, [B,3,S,S] in [-1,1], and the mask [B,1,S,S], 0 or 1."""
    composite, truth = (as_pixels(images) for images in (batch.composite, batch.truth))
    mask = foreground(batch.mask).float()
    return (truth, composite, mask) if inverse else (composite, truth, mask)


def losses(network: HarmonyVAE, vae: Any, condition: Tensor, target: Tensor, mask: Tensor) -> dict[str, Tensor]:
    """Named terms, scalars: absolute errors inside the mask and everywhere.

    Args:
        network: Harmony-VAE.
        vae: encodes the target.
        condition: [B,3,S,S] in [-1,1].
        target: likewise.
        mask: [B,1,S,S], 0 or 1.
    """
    with torch.no_grad():
        latent, _ = moments(vae, target)
    error = (network(latent, condition, mask).float() - target).abs()
    return {"inside": inside(error, mask), "whole": WHOLE * error.mean()}
