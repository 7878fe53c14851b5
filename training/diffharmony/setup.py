"""What the embedded DiffHarmony's trainings have in common: their data, and their run."""

from __future__ import annotations

import random
from pathlib import Path

import torch
from torch import Tensor, nn

from ...data.photos import read_natural
from ...mini.diffharmony.unet import SIZE
from ..crops import Crops, cached_crops
from ..evaluator.crops import cut_crops
from ..routed.sampler import Sampler
from ..runner import Run, RunSettings
from ..schedules import warmup_then_cosine
from ..settings import DiffHarmonySettings

AVERAGE_DECAY, GRADIENT_NORM = 0.999, 1.0
WARMUP, LEAST_RATE = 100, 0.02  # steps; share of the full learning rate at the end
LOG_EVERY, SAVE_EVERY = 50, 200


def open_sampler(photos: Path, work: Path, settings: DiffHarmonySettings) -> Sampler:
    """Batches of recolored photographs of the split "train"; the squares are kept in the folder for the work."""

    def cut() -> Crops:
        natural = read_natural(photos, "train")[: settings.limit]
        return cut_crops(natural, 1, settings.per_photo, random.Random(0), SIZE)

    return Sampler(cached_crops(work / f"squares-{settings.per_photo}.pt", cut), seed=1)


def start_run(network: nn.Module, settings: DiffHarmonySettings) -> Run:
    """A run of the network's parameters that learn, at its first step."""
    learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
    return Run(
        network,
        torch.optim.AdamW(learning, lr=settings.learning_rate, betas=(0.9, 0.99), weight_decay=0.0),
        RunSettings(
            steps=settings.steps,
            schedule=warmup_then_cosine(settings.steps, WARMUP, LEAST_RATE),
            average_decay=AVERAGE_DECAY,
            gradient_norm=GRADIENT_NORM,
            log_every=LOG_EVERY,
            save_every=SAVE_EVERY,
            minutes=settings.minutes,
        ),
    )


def as_pixels(images: Tensor) -> Tensor:
    """Images [B,3,S,S] in 0-1 as the VAE sees them, in [-1,1]."""
    return images * 2 - 1
