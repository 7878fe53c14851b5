"""The paper's ablations on composite-truth pairs: what each part of the method brings. Needs the host."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from rich.table import Table

from ..core.types import ImagingDescription
from ..data.composites import Pasted
from ..description.statistics.norms import load_norms
from ..description.statistics.words import matching_compounds
from ..host.sampling.text import ClipEncoder
from ..host.zero_shot.edges import find_pidinet
from ..host.zero_shot.edit import Models, PassSettings, edit_inverted, edit_once, invert_view
from ..loop.run import Judge
from ..methods.zero_shot.null_text import NullTextSettings
from ..methods.zero_shot.refinement import RefinementSettings, encode_pair
from ..methods.zero_shot.types import Prompt
from .baselines import Method, nothing
from .methods import LOOP, LOOP_PASS, ONE_PASS, describe_by_statistics, whole_loop
from .metrics import Score, mean_score


@dataclass(frozen=True)
class Variant:
    """One pass of the method with a part of it changed. The defaults change nothing."""

    settings: PassSettings = ONE_PASS
    long_prompt: bool = False
    object_last: bool = False


UNREFINED = replace(ONE_PASS, refinement=RefinementSettings(steps_per_timestep=0))
WITHOUT_REGULARIZER = replace(ONE_PASS, refinement=RefinementSettings(regularization_weight=0.0))
NULL_TEXT = replace(ONE_PASS, null_text=NullTextSettings())
VARIANTS = {
    "one pass": Variant(),
    "without refinement": Variant(UNREFINED),
    "without its regularizer": Variant(WITHOUT_REGULARIZER),
    "without self-attention": Variant(replace(ONE_PASS, self_steps=(0.0, 0.0))),
    "null-text, no edges": Variant(replace(NULL_TEXT, edges="none")),
    "null-text, Sobel": Variant(replace(NULL_TEXT, edges="sobel")),
    "null-text, Sobel + PiDiNet": Variant(replace(NULL_TEXT, edges="sobel + pidinet")),
    "long prompt": Variant(long_prompt=True),
    "object last, without refinement": Variant(UNREFINED, object_last=True),
}
TABLES = {
    "Text embedding refinement": ("one pass", "without refinement", "without its regularizer"),
    "Self-attention of the foreground": ("one pass", "without self-attention"),
    "Edges": ("one pass", "null-text, no edges", "null-text, Sobel", "null-text, Sobel + PiDiNet"),
    "Prompt length": ("one pass", "long prompt"),
    "Prompt order": ("without refinement", "object last, without refinement"),
    "Passes": ("one pass", "loop"),
}


class ObjectLast:
    """A text encoder that reads a prompt's conditions before its object, and still lists the object first."""

    def __init__(self, encoder: Any, name: str) -> None:
        self.encoder, self.object_words = encoder, len(name.split())
        self.embed, self.encode, self.encode_rows = encoder.embed, encoder.encode, encoder.encode_rows

    def tokenize(self, text: str) -> Prompt:
        words = text.split()
        if not words:
            return self.encoder.tokenize(text)
        conditions = len(words) - self.object_words
        prompt = self.encoder.tokenize(" ".join((*words[self.object_words :], *words[: self.object_words])))
        return replace(prompt, words=(*prompt.words[conditions:], *prompt.words[:conditions]))


def methods(models: Models, judge: Judge) -> dict[str, Method]:
    """Every row of every table. PiDiNet's is left out where its weights are missing."""

    def run(variant: Variant) -> Method:
        return lambda pasted: edit_variant(models, pasted, variant)

    chosen = {
        name: variant
        for name, variant in VARIANTS.items()
        if variant.settings.edges != "sobel + pidinet" or find_pidinet() is not None
    }
    loop = whole_loop(models, judge, LOOP_PASS, LOOP)
    return {"nothing": nothing, **{name: run(variant) for name, variant in chosen.items()}, "loop": loop}


def edit_variant(models: Models, pasted: Pasted, variant: Variant) -> torch.Tensor:
    """The picture [H,W,3] of a composite after one pass of the variant, described by statistics."""
    image, mask, settings = pasted.composite[None], pasted.mask[None], variant.settings
    description = describe_by_statistics(pasted)
    if variant.long_prompt:
        description = lengthen(description, pasted)
    with torch.inference_mode():
        if not variant.object_last:
            return edit_once(models, image, mask, description, settings)[0]
        inverted = invert_view(models, image, mask, settings)
        encoder = ObjectLast(ClipEncoder(models.clip), description.object)
        refined = encode_pair(encoder, description, inverted.trajectory)
        return edit_inverted(models, image, mask, inverted, refined, settings)[0]


def lengthen(description: ImagingDescription, pasted: Pasted) -> ImagingDescription:
    """The description with every further word of the vocabulary that says the same of each region's look."""
    norms = load_norms()
    offsets = (
        norms.object_offset(pasted.object, pasted.composite, pasted.mask),
        norms.expected_offset(pasted.composite, pasted.mask),
    )
    rows = (description.foreground, description.background)
    longer = (tuple(dict.fromkeys((*row, *matching_compounds(x)))) for row, x in zip(rows, offsets, strict=True))
    return ImagingDescription(description.object, *longer)


def tables(results: dict[str, list[tuple[str, float, Score]]]) -> Sequence[Table]:
    """One table for each question, each with doing nothing as its first row."""
    means = {name: mean_score([score for _, _, score in rows]) for name, rows in results.items()}
    drawn = []
    for title, names in TABLES.items():
        one = Table("method", "PSNR, dB", "fMSE", "fMSE ratio", title=title, title_justify="left")
        for name in ("nothing", *names):
            if mean := means.get(name):
                ratio = mean.fmse / means["nothing"].fmse
                one.add_row(name, f"{mean.psnr:.2f}", f"{mean.fmse:.0f}", f"{ratio:.2f}x")
            else:
                one.add_row(name, "-", "-", "no weights")
        drawn.append(one)
    return drawn
