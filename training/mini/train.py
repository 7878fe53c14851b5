"""Train the embedded model on photographs and captions that are computed from them. Needs the host."""

from __future__ import annotations

import logging
import random
from pathlib import Path

import torch
from safetensors.torch import load_file

from ...data.photos import read_photos
from ...description.statistics.norms import load_norms
from ..crops import cached_crops
from ..files import write_weights
from ..runner import Run, RunSettings, parameter_count, training_device
from ..runner import train as run_training
from ..schedules import warmup_then_cosine
from ..settings import MiniSettings
from .crops import cut_crops
from .network import Network, Vocabulary
from .sampler import Sampler

logger = logging.getLogger(__name__)

AVERAGE_DECAY, GRADIENT_NORM = 0.9995, 1.0
WARMUP, LEAST_RATE = 200, 0.01  # steps; share of the full learning rate at the end
LOG_EVERY, SAVE_EVERY = 100, 500


def train(photos: Path, work: Path, settings: MiniSettings) -> None:
    """Train, or go on from the last checkpoint of the folder.

    Args:
        photos: photo set; its split "train" is used.
        work: takes the squares, the checkpoint, and the weights as mini.safetensors.
        settings: see there.

    Raises:
        ValueError: when `settings.initial` was trained on other words, or a checkpoint is of another network.
    """
    work.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    device, vocabulary = training_device(), Vocabulary()
    network = Network(len(vocabulary.token_ids)).to(device)
    if settings.initial is not None:
        network.load_state_dict(read_weights(settings.initial, vocabulary))
    crops = cached_crops(
        work / f"squares-{settings.per_photo}.pt",
        lambda: cut_crops(read_photos(photos, "train"), settings.per_photo, random.Random(0)),
    )
    sampler = Sampler(crops, load_norms(), seed=1)
    logger.info("%s, %d squares", parameter_count(network), len(crops.objects))

    def losses(step: int) -> dict[str, torch.Tensor]:
        images, shown, masks, captions = sampler.batch(step, settings.batch)
        images, shown, masks, rows = (x.to(device) for x in (images, shown, masks, vocabulary.encode(captions)))
        return network.losses(images, shown, masks, rows, torch.Generator().manual_seed(step), settings.late_share)

    run_training(
        start_run(network, settings),
        losses,
        work / "checkpoint.pt",
        lambda average: export(average, vocabulary, work / "mini.safetensors"),
    )


def start_run(network: torch.nn.Module, settings: MiniSettings) -> Run:
    """A run of the network at its first step."""
    rate = settings.learning_rate
    return Run(
        network,
        torch.optim.AdamW(network.parameters(), lr=rate, betas=(0.9, 0.99), weight_decay=0.01),
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


def read_weights(path: Path, vocabulary: Vocabulary) -> dict[str, torch.Tensor]:
    """The weights of an export of this vocabulary's words."""
    weights = load_file(path)
    if weights.pop("token_ids").tolist() != vocabulary.token_ids:
        raise ValueError(f"{path} was trained on other words than this vocabulary; start afresh.")
    return weights


def export(network: torch.nn.Module, vocabulary: Vocabulary, path: Path) -> None:
    """Write the weights in half precision, with the ids of the token table's rows."""
    ids = torch.tensor(vocabulary.token_ids, dtype=torch.int32)
    write_weights(network.state_dict() | {"token_ids": ids}, path)
