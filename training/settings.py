"""What the trainings can be told, and what they do when they are told nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from ..core.errors import InputError

Architecture = Literal["lite0", "resnet50"]
Half = Literal[0, 1]  # of the photos, see `halves`


@dataclass(frozen=True, kw_only=True)
class MiniSettings:
    """Of the embedded model's training."""

    steps: int = 6000
    batch: int = 24  # pictures
    learning_rate: float = 4e-4
    per_photo: int = 6  # squares cut from each photo
    late_share: float = 0.85  # of the noise levels drawn towards the noisy end, 0 to 1
    initial: Path | None = None  # exported weights to start from, where there is no checkpoint
    minutes: float = math.inf


@dataclass(frozen=True, kw_only=True)
class EvaluatorSettings:
    """Of the evaluator's training.

    Raises:
        InputError: for an unknown architecture, a backbone that is not for it, or too few groups.
    """

    architecture: Architecture = "lite0"
    initial_backbone: Path | None = None  # ImageNet weights of EfficientNet-Lite0
    initial: Path | None = None  # exported weights to start from, where there is no checkpoint
    steps: int = 2000
    groups: int = 18  # photos in a batch
    made: Path | None = None  # a data set in iHarmony4's layout, whose composites take the place of recolorings
    # Weights of the routed harmonizers of the first and of the second half; each proposes for the photos of the other.
    proposers: tuple[Path, Path] | None = None
    coarse_share: float = 0.7  # of the steps, from the first, at half the side
    learning_rate: float = 5e-4
    per_photo: int = 3  # squares cut from each photo
    seed: int = 1  # of the batches
    minutes: float = math.inf

    def __post_init__(self) -> None:
        if self.groups < 2:
            raise InputError("groups", f"got {self.groups}, expected at least 2: one to recolor, one to propose for.")
        known = get_args(Architecture)
        if self.architecture not in known:
            raise InputError("architecture", f"got {self.architecture}, expected one of {', '.join(known)}.")
        if self.initial_backbone is not None and self.architecture != "lite0":
            raise InputError("initial_backbone", f"these weights are for lite0, not for {self.architecture}.")


@dataclass(frozen=True, kw_only=True)
class RoutedSettings:
    """Of the routed harmonizer's training.

    Raises:
        InputError: for a half that would begin with an encoder that knows both.
    """

    importance: bool = True  # routing by who looks like the object (ISEM)
    transformer: bool = True  # semantic routed transformer blocks (STB), else plain ones
    half: Half | None = None  # learn from one half of the photos only
    initial_backbone: Path | None = None  # ImageNet weights of EfficientNet-Lite0; None: the evaluator's encoder
    initial: Path | None = None  # exported weights to start from, where there is no checkpoint
    steps: int = 12000
    batch: int = 24  # pictures
    learning_rate: float = 6e-4
    per_photo: int = 4  # squares cut around each object
    seed: int = 1  # of the batches
    minutes: float = math.inf

    def __post_init__(self) -> None:
        if self.half is not None and self.initial is None and self.initial_backbone is None:
            raise InputError(
                "half", "the evaluator's encoder has seen both halves. Give initial_backbone, which has seen neither."
            )


@dataclass(frozen=True, kw_only=True)
class DiffHarmonySettings:
    """Of one of the trainings of the embedded DiffHarmony."""

    steps: int
    batch: int = 24  # pictures
    learning_rate: float = 5e-4
    per_photo: int = 8  # squares cut around each object
    pairs: int = 16_000  # of a photograph and a composite, that a UNet learns from
    made: Path | None = None  # a data set in iHarmony4's layout, whose pairs come beside those
    limit: int | None = None  # only so many photographs
    initial: Path | None = None  # exported weights to start from, where there is no checkpoint
    minutes: float = math.inf


@dataclass(frozen=True, kw_only=True)
class HarmonyVAESettings(DiffHarmonySettings):
    """Of the embedded Harmony-VAE's training."""

    zero: bool = True  # the skips start at zero, else at random
    decoder: bool = True  # the decoder learns, too, not the conditional encoder and the skips alone
