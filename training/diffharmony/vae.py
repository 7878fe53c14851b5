"""Train the embedded VAE. Needs the host."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from ...mini.diffharmony.vae import SCALE, empty_vae
from ..files import write_weights
from ..mini.network import has_fast_bf16
from ..routed.sampler import Sampler
from ..runner import parameter_count, training_device
from ..runner import train as run_training
from ..settings import DiffHarmonySettings
from .setup import as_pixels, open_sampler, start_run
from .vae_start import start_with_colors

logger = logging.getLogger(__name__)

DIVERGENCE = 1e-4  # weight of the latents' divergence from a normal distribution, for each number
COARSE = 1.0  # weight of the error of the means over the latent's pixels: colors must survive above all
PARTS = 0.85  # share of the steps, from the first, on parts of the squares: a quarter of the work
MEASURED = 8  # batches of 32 for the statistics of the latents


def train(photos: Path, work: Path, settings: DiffHarmonySettings) -> None:
    """Train, or go on from the last checkpoint of the folder.

    Args:
        photos: photo set; its split "train" is used.
        work: takes the squares, the checkpoint, and the weights as vae.safetensors.
        settings: see there.

    Raises:
        ValueError: when a checkpoint is of another network.
    """
    work.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    device = training_device()
    network = empty_vae()
    start_with_colors(network)
    network = network.to(device)
    sampler = open_sampler(photos, work, settings)
    logger.info("%s, %d squares", parameter_count(network), len(sampler.crops.objects))

    def step_losses(step: int) -> dict[str, Tensor]:
        images, noise = pictures(sampler, step, settings.batch), torch.Generator().manual_seed(step)
        if step < PARTS * settings.steps:
            images = random_part(images, noise)
        images = images.to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=has_fast_bf16(device)):
            return losses(network, images, noise)

    run_training(
        start_run(network, settings),
        step_losses,
        work / "checkpoint.pt",
        lambda average: write_weights(with_unit_latents(average, sampler), work / "vae.safetensors"),
    )


def pictures(sampler: Sampler, step: int, size: int) -> Tensor:
    """Photographs and composites, half and half, as the VAE sees them: [size,3,S,S] in [-1,1]."""
    batch = sampler.batch(step, size // 2)
    return as_pixels(torch.cat((batch.truth, batch.composite))).contiguous()


def random_part(images: Tensor, generator: torch.Generator) -> Tensor:
    """A random quarter of squares [B,C,S,S], [B,C,S/2,S/2]."""
    side = images.shape[-1] // 2
    top, left = torch.randint(side + 1, (2,), generator=generator).tolist()
    return images[..., top : top + side, left : left + side].contiguous()


def losses(network: Any, images: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
    """Named terms, scalars: absolute errors of pixels and of their means, and the latents' divergence.

    Args:
        network: of the host's class.
        images: [B,3,S,S] in [-1,1].
        generator: of the latents' noise, on the CPU.
    """
    mean, log_variance = moments(network, images)
    noise = torch.randn(mean.shape, generator=generator).to(mean)
    decoded = network.decode(mean + (log_variance / 2).exp() * noise).float()
    error = decoded - images
    divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean()
    return {
        "pixels": error.abs().mean(),
        "means": COARSE * avg_pool2d(error, SCALE).abs().mean(),
        "divergence": DIVERGENCE * divergence,
    }


def moments(network: Any, images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and logarithm of the variance of the latents' distribution, [B,4,h,w] each, float32."""
    mean, log_variance = network.quant_conv(network.encoder(images)).float().chunk(2, dim=1)
    return mean, log_variance.clamp(-30, 20)


@torch.no_grad()
def with_unit_latents(network: Any, sampler: Sampler) -> dict[str, Tensor]:
    """The VAE's weights, changed so that each channel of the latents has mean 0 and variance 1. It decodes the same.

    The convolutions behind the encoder and before the decoder take the change.
    """
    device = next(network.parameters()).device
    means = torch.cat([moments(network, pictures(sampler, step, 32).to(device))[0] for step in range(MEASURED)])
    center, spread = means.mean((0, 2, 3)), means.std((0, 2, 3))
    state = {name: value.clone() for name, value in network.state_dict().items()}
    after, before = "quant_conv", "post_quant_conv"
    factor = torch.cat((1 / spread, torch.ones_like(spread)))
    offset = torch.cat((-center / spread, -2 * spread.log()))  # the second half are logarithms of variances
    state[f"{after}.weight"] *= factor[:, None, None, None]
    state[f"{after}.bias"] = state[f"{after}.bias"] * factor + offset
    weight = state[f"{before}.weight"]
    state[f"{before}.bias"] += (weight[..., 0, 0] * center).sum(1)
    state[f"{before}.weight"] = weight * spread[None, :, None, None]
    return state


def read_vae(path: Path) -> nn.Module:
    """An exported VAE, float32; nothing of it learns."""
    network = empty_vae()
    network.load_state_dict({name: value.float() for name, value in load_file(path).items()})
    return network.eval().requires_grad_(False)
