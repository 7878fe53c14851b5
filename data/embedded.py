"""The embedded networks that make data sets, and the picture of what they made. Needs the host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from ..description.pictures import to_picture
from ..evaluator.model import HarmonyEvaluator
from ..host.diffharmony.harmonizer import SamplingSettings, make_composites
from ..host.evaluator import CLASSIFIER, load_evaluator
from ..mini.diffharmony.loader import load_diffharmony
from ..mini.diffharmony.unet import SIZE
from ..plots.contact_sheet import plot_contact_sheet
from .construction import Classifier, Inverse
from .iharmony4 import Part, Sample

SHOWN = 12  # composites on the contact sheet


def embedded_inverse() -> Inverse:
    """The embedded inverse model on the square around the object; a LUT carries its colors to the picture."""
    models = load_diffharmony("inverse")

    def inverse(image: Tensor, mask: Tensor, seed: int, count: int) -> Tensor:
        settings = SamplingSettings(size=SIZE, seed=seed, view="crop")
        return make_composites(models, image, mask, settings, count=count, carry="lut")

    return inverse


def embedded_classifier() -> Classifier:
    """How little a picture belongs, by the embedded harmony classifier."""
    return classifier_of(load_evaluator(CLASSIFIER))


def classifier_of(evaluator: HarmonyEvaluator) -> Classifier:
    return lambda images, masks: 1 - evaluator.score(images, masks)


def write_sheet(out: Path, subset: str, parts: Mapping[Part, Sequence[str]]) -> None:
    """Write a contact sheet of the first composites beside their real pictures."""
    samples = [Sample(out / subset, name) for names in parts.values() for name in names][:SHOWN]
    shown = [(sample, sample.pair(None)) for sample in samples]
    rows = [[pair.truth, pair.composite, pair.mask[..., None].expand(-1, -1, 3)] for _, pair in shown]
    sheet = plot_contact_sheet(rows, [sample.name for sample in samples], ["real", "composite", "mask"])
    to_picture(sheet[0]).save(out / "sheet.jpg", quality=92)
