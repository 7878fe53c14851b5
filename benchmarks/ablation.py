"""The paper's ablations on composite-truth pairs: what each part of the method brings, one table a question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch
from rich.table import Table
from torch import Tensor

from ..color.apply import apply_lut
from ..color.fit import fit_lut
from ..core.types import ImagingDescription
from ..core.view import working_view
from ..data.pairs import Pair
from ..description.statistics.appearance import matching_compounds, region_appearance
from ..description.statistics.provider import load_norms
from ..methods.zero_shot.refinement import RefinementSettings, encode_pair
from ..methods.zero_shot.types import Prompt, RefinedEmbedding, Trajectory
from .baselines import Method, nothing
from .harmonize import Line, describe_by_statistics, harmonize_by_loop
from .metrics import Score, mean_score

if TYPE_CHECKING:
    from ..host.zero_shot.edges import Edges


@dataclass(frozen=True)
class Variant:
    """One pass of the method with a part of it changed; the defaults change nothing."""

    refinement: RefinementSettings = field(default_factory=RefinementSettings)
    self_window: tuple[float, float] = (0.0, 1.0)  # of the steps, where the source's self-attention holds
    edges: Edges | None = None  # of the null-text optimization; None edits by direct inversion, without a null-text
    long_prompt: bool = False
    object_last: bool = False


PLAIN = Variant(refinement=RefinementSettings(steps_per_timestep=0))
VARIANTS = {
    "one pass": Variant(),
    "without refinement": PLAIN,
    "without its regularizer": Variant(refinement=RefinementSettings(regularization_weight=0.0)),
    "without self-attention": Variant(self_window=(0.0, 0.0)),
    "null-text, no edges": Variant(edges="none"),
    "null-text, Sobel": Variant(edges="sobel"),
    "null-text, Sobel + PiDiNet": Variant(edges="sobel + pidinet"),
    "long prompt": Variant(long_prompt=True),
    "object last, without refinement": replace(PLAIN, object_last=True),
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
        self.embed, self.encode = encoder.embed, encoder.encode

    def tokenize(self, text: str) -> Prompt:
        words = text.split()
        if not words:
            return self.encoder.tokenize(text)
        conditions = len(words) - self.object_words
        prompt = self.encoder.tokenize(" ".join((*words[self.object_words :], *words[: self.object_words])))
        return replace(prompt, words=(*prompt.words[conditions:], *prompt.words[:conditions]))


def methods(handles: tuple[Any, Any, Any], evaluator: Any, line: Line) -> dict[str, Method]:
    """Every row of every table. PiDiNet's is left out where its weights are missing."""
    from ..host.zero_shot.edges import find_pidinet

    def run(variant: Variant) -> Method:
        return lambda pair: one_pass(handles, pair, variant, line)

    def loop(pair: Pair) -> Tensor:
        return harmonize_by_loop(handles, evaluator, pair, line)

    chosen = {n: v for n, v in VARIANTS.items() if v.edges != "sobel + pidinet" or find_pidinet() is not None}
    return {"nothing": nothing, **{name: run(variant) for name, variant in chosen.items()}, "loop": loop}


def one_pass(handles: tuple[Any, Any, Any], pair: Pair, variant: Variant, line: Line) -> Tensor:
    """The picture [H,W,3] of a pair after one pass of the variant, described by statistics."""
    from ..host.image import decode, encode
    from ..host.zero_shot.stages import edit_trajectory, invert_latent

    model, clip, vae = handles
    description = describe_by_statistics(pair)
    if variant.long_prompt:
        description = lengthen(description, pair)
    with torch.inference_mode():
        image, mask = working_view(pair.composite[None], pair.mask[None], line.size)
        trajectory = invert_latent(model, clip, encode(vae, image), line.steps)
        refined = refine_variant(model, clip, trajectory, description, mask, variant)
        null_text = None
        if variant.edges is not None:
            from ..host.zero_shot.null_text import optimize_null
            from ..methods.zero_shot.null_text import NullTextSettings

            null_text, _ = optimize_null(
                model, vae, trajectory, refined, image, mask, NullTextSettings(), variant.edges
            )
        edited = edit_trajectory(
            model, trajectory, refined, line.strength, self_window=variant.self_window, null_text=null_text
        )
        lut = fit_lut(image, decode(vae, edited), mask)
        return apply_lut(pair.composite[None], lut, pair.mask[None], line.amount)[0]


def refine_variant(
    model: Any, clip: Any, trajectory: Trajectory, description: ImagingDescription, mask: Tensor, variant: Variant
) -> RefinedEmbedding:
    from ..host.sampling.text import ClipEncoder
    from ..host.zero_shot.stages import refine_words

    if variant.object_last:
        return encode_pair(ObjectLast(ClipEncoder(clip, "ablation"), description.object), description, trajectory)
    return refine_words(model, clip, trajectory, description, mask, variant.refinement)


def lengthen(description: ImagingDescription, pair: Pair) -> ImagingDescription:
    """The description with every further word of the vocabulary that says the same of each region's look."""
    norms = load_norms()
    offsets = (
        norms.offset(pair.object, region_appearance(pair.composite, pair.mask)),
        norms.expected_offset(pair.composite, pair.mask),
    )
    rows = (description.foreground, description.background)
    longer = (tuple(dict.fromkeys((*row, *matching_compounds(x)))) for row, x in zip(rows, offsets, strict=True))
    return ImagingDescription(description.object, *longer)


def tables(results: dict[str, list[tuple[str, float, Score]]]) -> Sequence[Table]:
    """One table a question, each with doing nothing as its first row."""
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
