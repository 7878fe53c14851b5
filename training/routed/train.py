"""Train the routed harmonizer on photographs whose object was recolored. Needs no host."""

from __future__ import annotations

import logging
import random
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from ...core.errors import InputError
from ...core.weights import shipped_weights
from ...evaluator.checkpoint import MANIFEST as EVALUATOR
from ...methods.routed.checkpoint import read_network
from ...methods.routed.instances import load_backbone
from ...methods.routed.network import Architecture, RoutedNetwork
from ..crops import cached_crops
from ..files import load_published, weights_of, write_weights
from ..runner import Run, RunSettings, parameter_count, training_device
from ..runner import train as run_training
from ..schedules import warmup_then_cosine
from ..settings import RoutedSettings
from .crops import cut_crops, training_photos
from .losses import losses
from .sampler import GRADED, MUCH_GRADED, Batch, Sampler

logger = logging.getLogger(__name__)

BODY_PACE = 0.5  # the encoder comes trained
WEIGHT_DECAY = 1e-4
AVERAGE_DECAY, GRADIENT_NORM = 0.998, 1.0
WARMUP, LEAST_RATE = 100, 1 / 300  # steps; share of the full learning rate at the end, as the paper's
LOG_EVERY, SAVE_EVERY = 50, 200


def train(photos: Path, work: Path, settings: RoutedSettings) -> None:
    """Train, or go on from the last checkpoint of the folder.

    Args:
        photos: photo set; what benchmarks set aside is left out.
        work: takes the squares, the checkpoint, and the weights as routed.safetensors.
        settings: see there.

    Raises:
        ValueError: when `settings.initial` holds another network's weights, or a checkpoint is of another network.
    """
    work.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    device = training_device()
    network = start(settings).to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    crops = cached_crops(
        work / f"squares-{settings.per_photo}.pt",
        lambda: cut_crops(
            training_photos(photos, settings.half), load_backbone(), settings.per_photo, random.Random(0)
        ),
    )
    sampler = Sampler(crops, settings.seed, GRADED if settings.half is None else MUCH_GRADED)
    logger.info("%s, %d squares", parameter_count(network), len(crops.objects))

    def step_losses(step: int) -> dict[str, Tensor]:
        batch = Batch(**{name: value.to(device) for name, value in vars(sampler.batch(step, settings.batch)).items()})
        return losses(network(batch.seen, batch.seen_mask, batch.importance), batch)

    run_training(
        start_run(network, settings),
        step_losses,
        work / "checkpoint.pt",
        lambda average: write_weights(weights_of(average), work / "routed.safetensors"),
    )


def start(settings: RoutedSettings) -> RoutedNetwork:
    """The network before its first step: from exported weights, else with a backbone's or the evaluator's encoder.

    Raises:
        InputError: when the weights are of another network, or of another architecture than the settings.
    """
    architecture = Architecture(settings.importance, settings.transformer)
    if settings.initial is not None:
        network = read_network(settings.initial).requires_grad_(True)
        if network.architecture != architecture:
            raise InputError(
                "initial", f"{settings.initial.name} is of {network.architecture}, expected {architecture}."
            )
        return network
    network = RoutedNetwork(architecture)
    if settings.initial_backbone is not None:
        load_published(network.body, settings.initial_backbone)
        return network
    judge = load_file(shipped_weights(EVALUATOR))
    body = {name: value.float() for name, value in judge.items() if name.startswith("body.")}
    network.load_state_dict(network.state_dict() | body)
    return network


def start_run(network: nn.Module, settings: RoutedSettings) -> Run:
    """A run of the network at its first step. The statistics of its normalizations stay as they are."""
    return Run(
        network.eval(),
        torch.optim.AdamW(parameter_groups(network, settings.learning_rate), weight_decay=WEIGHT_DECAY),
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


def parameter_groups(network: nn.Module, learning_rate: float) -> list[dict[str, Any]]:
    """The encoder learns more slowly than what is new."""
    body = [parameter for name, parameter in network.named_parameters() if name.startswith("body.")]
    rest = [parameter for name, parameter in network.named_parameters() if not name.startswith("body.")]
    return [{"params": body, "lr": learning_rate * BODY_PACE}, {"params": rest, "lr": learning_rate}]
