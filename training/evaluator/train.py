"""Train the evaluator. It needs photographs and masks, and no one's scores. Needs no host."""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from ...core.weights import shipped_weights
from ...data.iharmony4 import pairs, read_samples
from ...data.photos import read_photos
from ...evaluator.checkpoint import NETWORKS, read_network
from ...evaluator.networks import HarmonyNetwork, RegionNetwork
from ...methods.routed.checkpoint import MANIFEST as HARMONIZER
from ...methods.routed.checkpoint import read_network as read_harmonizer
from ...methods.routed.instances import load_backbone
from ..crops import Crops, cached_crops
from ..files import load_published, weights_of, write_weights
from ..routed.crops import cut_crops as cut_routed_crops
from ..routed.crops import training_photos
from ..runner import Run, RunSettings, parameter_count, training_device
from ..runner import train as run_training
from ..schedules import warmup_on_cosine
from ..settings import EvaluatorSettings, Half
from .choices import ChoiceSampler, Tried
from .crops import cut_crops
from .losses import choice_loss, order_loss, soft_label_loss
from .made import MadeSampler, made_crops
from .proposals import ProposalSampler
from .sampler import Sampler, VersionSampler

logger = logging.getLogger(__name__)

PROPOSALS = 0.5  # share of the photos of a batch that come in versions that the harmonizer proposes
CHOICES = 0.8  # composites to choose a change for, over the photos of a batch, which they come beside
NEW_LAYERS = ("head.", "body.conv_stem.", "conv1.", "fc.")  # the classes and the mask's channel: new
NEW_LAYERS_PACE = 3.0
AVERAGE_DECAY, GRADIENT_NORM = 0.997, 5.0
WARMUP = 50  # steps
LOG_EVERY, SAVE_EVERY = 50, 250


def train(photos: Path, work: Path, settings: EvaluatorSettings) -> None:
    """Train, or go on from the last checkpoint of the folder.

    Args:
        photos: photo set; its split "evaluator_train" is used.
        work: takes the squares, the checkpoint, and the weights as evaluator.safetensors.
        settings: see there.

    Raises:
        ValueError: when `settings.initial` holds another model's weights, or a checkpoint is of another network.
    """
    work.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    device, checkpoint = training_device(), work / "checkpoint.pt"
    network: HarmonyNetwork = start(settings).to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    crops = read_crops(photos, work, network.reduction, settings.per_photo)
    batches = open_batches(crops, photos, work, settings, network.reduction)
    logger.info("%s, %d squares", parameter_count(network), len(batches.fine.crops.objects))
    if settings.initial is None and not checkpoint.is_file():
        calibrate(network, batches.coarse, settings.groups)

    choices = open_choices(photos, work, settings)

    def losses(step: int) -> dict[str, Tensor]:
        inputs, labels = (values.to(device) for values in batches(step))
        if choices is None:
            return losses_of(network, inputs, labels)
        tried = choices.batch(step, int(CHOICES * settings.groups), inputs.shape[-1])
        return losses_of(network, inputs, labels, *(values.to(device) for values in tried))

    run_training(
        start_run(network, settings),
        losses,
        checkpoint,
        lambda average: write_weights(weights_of(average), work / "evaluator.safetensors"),
    )


@dataclass(frozen=True)
class Batches:
    """A training's batches by their steps: at half the side at first."""

    coarse: VersionSampler
    fine: VersionSampler
    proposals: ProposalSampler | None  # gives PROPOSALS of the photos
    settings: EvaluatorSettings

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        """Inputs [2*groups,4,S,S] and soft labels."""
        groups = self.settings.groups
        sampler = self.coarse if step < self.settings.coarse_share * self.settings.steps else self.fine
        if self.proposals is None:
            return sampler.batch(step, groups)
        proposed = int(PROPOSALS * groups)
        inputs, labels = sampler.batch(step, groups - proposed)
        more, their_labels = self.proposals.batch(step, proposed, inputs.shape[-1])
        return torch.cat((inputs, more)), torch.cat((labels, their_labels))


def open_batches(crops: Crops, photos: Path, work: Path, settings: EvaluatorSettings, reduction: int) -> Batches:
    """Recolored photos and what the harmonizer proposes for them; or, if the settings name a data set, its composites.

    With proposers there are recolored photos alone: their proposals are in `open_choices`.

    Args:
        crops: of `read_crops`.
        photos, work, settings: see `train`.
        reduction: the factor by which the network shrinks its square at once.
    """
    if settings.made is not None:
        made = made_crops(pairs(read_samples(settings.made, "train"), None), crops, reduction, settings.per_photo)
        return Batches(MadeSampler(made.halved(), settings.seed), MadeSampler(made, settings.seed), None, settings)
    if settings.proposers is not None:
        return Batches(Sampler(crops.halved(), settings.seed), Sampler(crops, settings.seed), None, settings)
    proposals = ProposalSampler(
        read_proposal_crops(photos, work, settings.per_photo),
        read_harmonizer(shipped_weights(HARMONIZER)),
        settings.seed,
    )
    return Batches(Sampler(crops.halved(), settings.seed), Sampler(crops, settings.seed), proposals, settings)


def open_choices(photos: Path, work: Path, settings: EvaluatorSettings) -> ChoiceSampler | None:
    """What the proposers propose for photos that they have not seen, if the settings name proposers.

    Args:
        photos, work, settings: see `train`.
    """
    if settings.proposers is None:
        return None
    first, second = (read_harmonizer(file) for file in settings.proposers)
    per_photo = settings.per_photo
    tried = [
        Tried(read_half_crops(photos, work, 0, per_photo), second),
        Tried(read_half_crops(photos, work, 1, per_photo), first),
    ]
    return ChoiceSampler(tried, settings.seed)


def start_run(network: HarmonyNetwork, settings: EvaluatorSettings) -> Run:
    """A run of the network at its first step. The statistics of its normalizations stay as they are."""
    return Run(
        network.eval(),
        torch.optim.AdamW(parameter_groups(network, settings.learning_rate), weight_decay=0.02),
        RunSettings(
            steps=settings.steps,
            schedule=warmup_on_cosine(settings.steps, WARMUP),
            average_decay=AVERAGE_DECAY,
            gradient_norm=GRADIENT_NORM,
            log_every=LOG_EVERY,
            save_every=SAVE_EVERY,
            minutes=settings.minutes,
        ),
    )


def losses_of(
    network: HarmonyNetwork, inputs: Tensor, labels: Tensor, tried: Tensor | None = None, costs: Tensor | None = None
) -> dict[str, Tensor]:
    """The terms that are made smaller, of a batch of the sampler, and of choices beside it if there are some."""
    if tried is None or costs is None:
        logits = network.classify(inputs)
        return {"label loss": soft_label_loss(logits, labels), "order loss": order_loss(logits, labels)}
    logits, theirs = network.classify(torch.cat((inputs, tried))).split((len(inputs), len(tried)))
    return {
        "label loss": soft_label_loss(logits, labels),
        "order loss": order_loss(logits, labels),
        "choice loss": choice_loss(theirs, costs),
    }


def read_crops(photos: Path, work: Path, reduction: int, per_photo: int) -> Crops:
    """The training's squares, from the folder `work` when they were cut before."""
    return cached_crops(
        work / f"squares-{reduction}-{per_photo}.pt",
        lambda: cut_crops(read_photos(photos, "evaluator_train"), reduction, per_photo, random.Random(0)),
    )


def read_proposal_crops(photos: Path, work: Path, per_photo: int) -> Crops:
    """The squares with who looks like the object, from the folder `work` when they were cut before."""
    return cached_crops(
        work / f"proposal-squares-{per_photo}.pt",
        lambda: cut_routed_crops(read_photos(photos, "evaluator_train"), load_backbone(), per_photo, random.Random(0)),
    )


def read_half_crops(photos: Path, work: Path, half: Half, per_photo: int) -> Crops:
    """The squares of one half of the photos, from the folder `work` when they were cut before."""
    return cached_crops(
        work / f"half-{half}-squares-{per_photo}.pt",
        lambda: cut_routed_crops(training_photos(photos, half), load_backbone(), per_photo, random.Random(0)),
    )


def start(settings: EvaluatorSettings) -> HarmonyNetwork:
    """The network before its first step: from exported weights, from a backbone's, or drawn."""
    if settings.initial is not None:
        return read_network(load_file(settings.initial), settings.initial.name)[0].requires_grad_(True)
    network = NETWORKS[settings.architecture]()
    if settings.initial_backbone is None:
        return network
    assert isinstance(network, RegionNetwork), "the settings refuse a backbone for any other"
    load_published(network.body, settings.initial_backbone)
    return network


def parameter_groups(network: nn.Module, learning_rate: float) -> list[dict[str, Any]]:
    """New layers learn faster than those that may come trained."""
    new = [p for name, p in network.named_parameters() if name.startswith(NEW_LAYERS)]
    rest = [p for name, p in network.named_parameters() if not name.startswith(NEW_LAYERS)]
    return [{"params": rest, "lr": learning_rate}, {"params": new, "lr": learning_rate * NEW_LAYERS_PACE}]


@torch.no_grad()
def calibrate(network: HarmonyNetwork, sampler: VersionSampler, groups: int, batches: int = 12) -> None:
    """Set every batch normalization to the statistics of the first batches, where they then stay.

    A batch holds few photos, in versions that are alike: statistics of its own would be noise.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over the batches
    device = next(network.parameters()).device
    network.train()
    for step in range(batches):
        network.classify(sampler.batch(step, groups)[0].to(device))
