"""Train the embedded UNet to harmonize, or the other way around. Needs the host."""

from __future__ import annotations

import copy
import logging
from pathlib import Path

import comfy.ops
import torch
from safetensors.torch import load_file
from torch import Tensor

from ...data.iharmony4 import pairs, read_samples
from ...mini.diffharmony.unet import SPREAD, HarmonyConfig, HarmonyUNet
from ..files import weights_of, write_weights
from ..mini.network import has_fast_bf16, initialize
from ..runner import parameter_count, training_device
from ..runner import train as run_training
from ..settings import DiffHarmonySettings
from .latents import Latents, cached_latents, encoded_pairs
from .setup import open_sampler, start_run
from .vae import read_vae

logger = logging.getLogger(__name__)

MOST_WEIGHT = 5.0  # of a small object: its error counts as if it filled at least a fifth of the picture


def train(photos: Path, work: Path, vae: Path, settings: DiffHarmonySettings, *, inverse: bool = False) -> None:
    """Train, or go on from the last checkpoint of the folder.

    Args:
        photos: photo set; its split "train" is used.
        work: takes the squares, the pairs, the checkpoint, and the weights as unet.safetensors.
        vae: exported weights of the VAE.
        settings: see there.
        inverse: learn to make composites of photographs.

    Raises:
        ValueError: when a checkpoint is of another network.
    """
    work.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    device = training_device()
    network = start(settings).to(device)
    sampler = open_sampler(photos, work, settings)
    encoder = read_vae(vae).to(device)
    latents = cached_latents(work / "latents.pt", sampler, encoder, settings.pairs)
    if settings.made is not None:
        latents = latents.joined(encoded_pairs(pairs(read_samples(settings.made, "train"), None), encoder))
    latents = latents.exchanged() if inverse else latents
    logger.info("%s, %d pairs", parameter_count(network), len(latents.mask))

    def step_losses(step: int) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(step)
        return {"loss": loss(network, latents.batch(settings.batch, generator, device), generator)}

    run_training(
        start_run(network, settings),
        step_losses,
        work / "checkpoint.pt",
        lambda average: write_weights(weights_of(average), work / "unet.safetensors"),
    )


def start(settings: DiffHarmonySettings) -> HarmonyUNet:
    """The network before its first step: at first the composite is its answer."""
    options = dict(HarmonyConfig.unet_config, **HarmonyConfig.unet_extra_config, dtype=torch.float32)
    network = HarmonyUNet(**copy.deepcopy(options), operations=comfy.ops.disable_weight_init)
    initialize(network)
    if settings.initial is not None:
        network.load_state_dict({name: value.float() for name, value in load_file(settings.initial).items()})
    return network


def loss(network: HarmonyUNet, latents: Latents, generator: torch.Generator) -> Tensor:
    """Mean square error of the inner network inside the mask, where a small object counts up to five times.

    The paper's is the error of eps. That of the inner network weighs all noise levels alike; eps, at the levels where
    the colors are decided, hardly depends on the answer.

    Args:
        network: the UNet.
        latents: a batch.
        generator: of timesteps and noise, on the CPU.
    """
    distance_to = latents.target - latents.condition
    timesteps = draw_timesteps(len(distance_to), generator).to(distance_to.device)
    sigma = network.sigma(timesteps)
    noise = torch.randn(distance_to.shape, generator=generator).to(distance_to)
    noisy, total = distance_to + sigma * noise, (sigma**2 + SPREAD**2).sqrt()
    # c_skip = spread^2 / total^2 and c_out = sigma spread / total give the inner network this target:
    target = (distance_to - noisy * SPREAD**2 / total**2) / (sigma * SPREAD / total)
    device = distance_to.device
    with torch.autocast(device.type, torch.bfloat16, enabled=has_fast_bf16(device)):
        inner = network.inner(noisy / total, latents.mask, latents.condition, timesteps, transformer_options={})
    return inside((inner.float() - target).square(), latents.mask)


def draw_timesteps(count: int, generator: torch.Generator) -> Tensor:
    """Timesteps [count] with a density proportional to the timestep: the noisier, the more is decided."""
    return (torch.rand(count, generator=generator).sqrt() * 1000).long().clamp_max(999)


def inside(error: Tensor, mask: Tensor) -> Tensor:
    """The paper's mean of an error [B,C,H,W] inside masks [B,1,H,W]: over the picture, times area over mask's area."""
    share = mask.mean((1, 2, 3))
    weight = (1 / share.clamp_min(1e-6)).clamp(1, MOST_WEIGHT)
    return ((error * mask).mean((1, 2, 3)) * weight).mean()
