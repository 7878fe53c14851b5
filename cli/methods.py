"""The methods that the command line offers. The nodes make the same calls; here is only the choice of them.

Nothing of the host is imported before a method is made: the host has to be prepared first.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from ..color.lut import ColorLUT
from ..color.sequence import Proposer
from ..core.types import ImagingDescription
from ..description.captions import read_description
from ..evaluator.model import HarmonyEvaluator
from ..host.headless import prepare_host
from ..host.notes import PACK as PACK_LOG
from ..host.notes import collected
from ..loop.policy import LoopPolicy

MethodName = Literal["auto", "routed", "diffharmony", "words"]
ClipMethodName = Literal["auto", "routed", "diffharmony"]  # those whose change is a LUT, which can be blended in time
PACK = Path(__file__).resolve().parent.parent
WEIGHTS = (
    "methods/routed/weights.json",
    "methods/routed/instances.json",
    "evaluator/weights.json",
    "mini/weights.json",
    "mini/diffharmony/harmonize.json",
)
OBJECT = "object"  # what is described where nobody says what it is
PASSES = LoopPolicy(k=3, max_passes=6)

Described = str | tuple[ImagingDescription, ...]  # the object's name, or descriptions


@dataclass(frozen=True)
class Settings:
    """How pictures are harmonized."""

    method: MethodName = "auto"
    strength: float | None = None  # None: what suits the method
    describe: str = ""  # of every picture that has no caption
    threads: int = 1  # of the processor

    def mark(self) -> str:
        """Tells whether earlier results are still what these settings give: a hash of them and of the weights.

        Threads do not count: what they change is below what a file keeps.
        """
        weights = [json.loads((PACK / place).read_text(encoding="utf-8"))["sha256"] for place in WEIGHTS]
        return hashlib.sha256(json.dumps([asdict(replace(self, threads=1)), weights]).encode()).hexdigest()


@dataclass(frozen=True)
class Outcome:
    """What a method made of one picture."""

    image: Tensor  # [H,W,3]
    lut: ColorLUT  # the change that is the same everywhere
    before: float  # the evaluator's score of the composite
    after: float  # and of the result
    told: str  # how it came about


Method = Callable[[Tensor, Tensor, Described], Outcome]  # image [H,W,3], mask [H,W], what it shows -> outcome


def make_method(settings: Settings) -> Method:
    """Prepare the host in this process, load the models, and give the method that the settings name.

    Raises:
        FileNotFoundError: when there is no ComfyUI, or a file of weights is missing.
    """
    prepare_host()
    torch.set_num_threads(settings.threads)
    method = METHODS[settings.method](settings)

    def run(image: Tensor, mask: Tensor, described: Described = OBJECT) -> Outcome:
        with torch.inference_mode(), _noted() as notes:
            done = method(image, mask, described)
        return replace(done, told="\n".join([done.told, *(f"Note: {note}" for note in notes)]))

    return run


@contextmanager
def _noted() -> Iterator[list[str]]:
    """Collects the pack's warnings, as its nodes do. The log would not say which picture of many they are about."""
    with collected() as notes:
        before, PACK_LOG.propagate = PACK_LOG.propagate, False
        try:
            yield notes
        finally:
            PACK_LOG.propagate = before


def make_proposer(method: ClipMethodName, threads: int) -> tuple[Proposer, HarmonyEvaluator | None]:
    """The same for clips: what is asked at key frames, and who chooses each shot's strength, if anybody does."""
    prepare_host()
    torch.set_num_threads(threads)
    if method == "diffharmony":
        from ..host.diffharmony.harmonizer import proposer as diffharmony_proposer
        from ..mini.diffharmony.loader import SEEDS, SETTINGS, load_diffharmony

        return diffharmony_proposer(load_diffharmony(), SETTINGS, SEEDS), load_judge()
    from ..host.routed.harmonizer import EMBEDDED, load_harmonizer, proposer

    return proposer(load_harmonizer(EMBEDDED)), load_judge() if method == "auto" else None


def load_judge() -> HarmonyEvaluator:
    """The embedded evaluator."""
    prepare_host()
    from ..host.evaluator import EMBEDDED, load_evaluator

    return load_evaluator(EMBEDDED)


def described(caption: str, settings: Settings) -> Described:
    """What a picture shows: its caption, else what the settings say of all.

    Raises:
        InputError: when it is no caption.
    """
    text = caption or settings.describe
    return read_description(text) if text else OBJECT


def _auto(settings: Settings) -> Method:
    """The routed network, its strength chosen by the evaluator: what the workflow harmonize_routed does."""
    from ..host.judged import JUDGED, share_of
    from ..host.routed.harmonizer import EMBEDDED, harmonize, load_harmonizer

    harmonizer, judge = load_harmonizer(EMBEDDED), load_judge()
    strength = 1.0 if settings.strength is None else settings.strength

    def method(image: Tensor, mask: Tensor, described: Described) -> Outcome:
        done = harmonize(harmonizer, image[None], mask, judge=judge, strength=strength)
        (scores,) = done.scores
        taken = JUDGED.index(share_of(scores))
        return Outcome(done.image[0], done.luts[0], scores[0], scores[taken], done.summary())

    return method


def _routed(settings: Settings) -> Method:
    """The routed network at the strength that was asked for."""
    from ..host.routed.harmonizer import EMBEDDED, harmonize, load_harmonizer

    harmonizer, judge = load_harmonizer(EMBEDDED), load_judge()
    strength = 1.0 if settings.strength is None else settings.strength

    def method(image: Tensor, mask: Tensor, described: Described) -> Outcome:
        done = harmonize(harmonizer, image[None], mask, strength=strength)
        return Outcome(done.image[0], done.luts[0], *_scores(judge, image, done.image[0], mask), done.summary())

    return method


def _diffharmony(settings: Settings) -> Method:
    """The embedded DiffHarmony, as the workflow diffharmony runs it."""
    from ..host.diffharmony.harmonizer import harmonize
    from ..host.sequence import changed
    from ..mini.diffharmony.loader import SEEDS, SETTINGS, load_diffharmony

    models, judge = load_diffharmony(), load_judge()
    strength = 1.0 if settings.strength is None else settings.strength

    def method(image: Tensor, mask: Tensor, described: Described) -> Outcome:
        done = harmonize(models, image[None], mask, SETTINGS, count=SEEDS, judge=judge, carry="lut")
        (lut,) = done.luts
        result = changed(image, mask, lut.scaled, strength)
        return Outcome(result, lut.scaled(strength), *_scores(judge, image, result, mask), done.summary())

    return method


def _words(settings: Settings) -> Method:
    """The loop on the embedded model, with the routed network's proposals, as the box Harmonize Composite runs it."""
    from ..host.described import harmonize_described
    from ..host.routed.harmonizer import EMBEDDED, load_harmonizer
    from ..host.zero_shot.edit import Models, PassSettings
    from ..host.zero_shot.harmonize import doubting
    from ..mini.loader import load_mini

    models, harmonizer, judge = Models(*load_mini()), load_harmonizer(EMBEDDED), load_judge()
    one_pass = PassSettings() if settings.strength is None else PassSettings(strength=settings.strength)
    policy = doubting(PASSES)

    def method(image: Tensor, mask: Tensor, described: Described) -> Outcome:
        done = harmonize_described(models, judge, image, mask, described, one_pass, policy, harmonizer)
        scores = _scores(judge, image, done.image[0], mask)
        return Outcome(done.image[0], done.lut, *scores, done.states.summary())

    return method


def _scores(judge: HarmonyEvaluator, before: Tensor, after: Tensor, mask: Tensor) -> tuple[float, float]:
    first, second = (float(judge.score(picture[None], mask[None])) for picture in (before, after))
    return first, second


# A method more: its name here and in MethodName.
METHODS: dict[MethodName, Callable[[Settings], Method]] = {
    "auto": _auto,
    "routed": _routed,
    "diffharmony": _diffharmony,
    "words": _words,
}
