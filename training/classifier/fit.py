"""Fit the whole picture's harmony classifier: a linear probe on the features of a frozen backbone. Needs no host."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, cross_entropy

from ...core.weights import shipped_weights
from ...data.photos import Photo, read_natural
from ...data.recoloring.families import FAMILIES
from ...evaluator.checkpoint import MANIFEST, read_state
from ...evaluator.model import evaluator_input
from ...evaluator.networks import WholePictureClassifier
from ..files import write_weights

logger = logging.getLogger(__name__)

STRENGTHS = 0.5, 1.7  # of the recolorings: all of them are to be seen
PENALTY = 1e-3  # on the squared weights
ROUNDS = 200


def fit(photos: Path, output: Path) -> None:
    """Fit the probe on natural photographs and the same with their object recolored, and write it.

    Args:
        photos: photo set; what the benchmarks and the evaluator set aside is left out.
        output: file for the probe's weights.
    """
    natural = read_natural(photos, "evaluator_train")
    network = frozen()
    features, classes = collect(network, natural, random.Random(0))
    network.probe.weight.data, network.probe.bias.data = probe(features, classes)
    accuracy = (network.probe(features).argmax(1) == classes).float().mean().item()
    logger.info("%d pictures, accuracy on them %.3f", len(classes), accuracy)
    write_weights({name: value for name, value in network.state_dict().items() if name.startswith("probe.")}, output)


def frozen() -> WholePictureClassifier:
    """The network with the embedded evaluator's body."""
    network = WholePictureClassifier()
    body = {
        name: value.float() for name, value in read_state(shipped_weights(MANIFEST)).items() if name.startswith("body.")
    }
    network.load_state_dict(network.state_dict() | body)
    return network.eval().requires_grad_(False)


def collect(network: WholePictureClassifier, photos: Sequence[Photo], dice: random.Random) -> tuple[Tensor, Tensor]:
    """Features [N,F] and classes [N], 1 unharmonious: of each photograph, and of it with its object recolored."""
    rows = [(network.features(avg_pool2d(square, network.reduction)), kind) for square, kind in _pictures(photos, dice)]
    return torch.cat([features for features, _ in rows]), torch.tensor([kind for _, kind in rows])


def _pictures(photos: Sequence[Photo], dice: random.Random) -> Iterator[tuple[Tensor, int]]:
    for photo in photos:
        image, mask = photo.image(), photo.foreground()
        for kind, picture in enumerate((image, recolored(image, mask, dice))):
            yield evaluator_input(picture[None], mask[None], "whole"), kind


def recolored(image: Tensor, mask: Tensor, dice: random.Random) -> Tensor:
    """A photograph [H,W,3] with its object [H,W] in other colors."""
    family = dice.choice(list(FAMILIES.values()))
    strength = torch.full((1, 1, 1, 1), dice.uniform(*STRENGTHS))
    pixels, plane = image.movedim(-1, 0)[None], mask[None, None]
    changed = family(pixels, plane, strength, torch.Generator().manual_seed(dice.getrandbits(32)))
    return torch.lerp(pixels, changed, plane)[0].movedim(0, -1)


def probe(features: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
    """Weight [2,F] and bias [2] of the logistic regression, for features as they are.

    Args:
        features: [N,F].
        classes: [N], 0 or 1.
    """
    deviation, mean = torch.std_mean(features, dim=0, correction=0)
    scaled = (features - mean) / (deviation + 1e-6)
    weight = torch.zeros(2, features.shape[1], requires_grad=True)
    bias = torch.zeros(2, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=ROUNDS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = cross_entropy(scaled @ weight.T + bias, classes) + PENALTY * weight.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    own = (weight / (deviation + 1e-6)).detach()
    return own, (bias - own @ mean).detach()
