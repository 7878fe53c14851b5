"""A harmonization's passes as one picture: what each made, its score, and what was decided on it."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

from torch import Tensor

from ..core.errors import InputError
from ..loop.states import state_names
from .sheet import ACCENT, FAINT, INK, MUTED, SMALL, TITLE, Sheet

WIDTH = 1600  # pixels, where the pictures fit
SMALLEST, LARGEST = 120, 250  # a picture's width
GAP = 14  # between two pictures
LEFT, RIGHT, TOP = 74, 28, 96
LINE = 17  # of small text
CHARACTER = 7.2  # width of small text, on average
CURVE, DECISIONS, BOTTOM = 190, 30, 22
TINT = "#fbeeec"  # behind the chosen pass


def plot_filmstrip(
    passes: Tensor,
    scores: Sequence[float],
    decisions: Sequence[str],
    captions: Sequence[Sequence[str]],
    chosen: int,
    reasons: Sequence[str] | None = None,
) -> Tensor:
    """A loop's states side by side, above the curve of their scores.

    Args:
        passes: [n+1,H,W,3], sRGB in 0-1, the composite first.
        scores: one for each state.
        decisions: one for each state: what the loop did next. After each "propose" comes a proposal.
        captions: one for each state: the paragraphs below its picture.
        chosen: index of the state that is the loop's result.
        reasons: one for each state: why it was taken or refused, the last paragraph below its picture.

    Returns:
        The picture, [1,H,W,3] in 0-1.

    Raises:
        InputError: when the lists differ in length, or there is no such state.
    """
    count = len(passes)
    reasons = [""] * count if reasons is None else reasons
    told = {"scores": scores, "decisions": decisions, "captions": captions, "reasons": reasons}
    for name, values in told.items():
        if len(values) != count:
            raise InputError(name, f"got {len(values)} entries for {count} `passes`; both must come from one loop.")
    if not 0 <= chosen < count:
        raise InputError("chosen", f"got {chosen}, but the passes go from 0 to {count - 1}.")
    side = min(max((WIDTH - LEFT - RIGHT + GAP) // count - GAP, SMALLEST), LARGEST)
    height = round(side * passes.shape[1] / passes.shape[2])
    paragraphs = [(*parts, reason) for parts, reason in zip(captions, reasons, strict=True)]
    texts = [[line for part in parts for line in wrap(part, int(side / CHARACTER))] for parts in paragraphs]
    names = state_names(count, list(decisions).count("propose"))
    curve_top = TOP + height + 34 + LINE * max(map(len, texts)) + 20
    sheet = Sheet(max(LEFT + count * (side + GAP) - GAP + RIGHT, 640), curve_top + CURVE + DECISIONS + BOTTOM)
    _tint(sheet, LEFT + chosen * (side + GAP), side, curve_top + CURVE + DECISIONS)
    _head(sheet, names, scores, chosen)
    for index, picture in enumerate(passes.float().cpu()):
        x = LEFT + index * (side + GAP)
        sheet.picture(x, TOP, side, height).imshow(picture.clamp(0, 1).numpy(), aspect="auto")
        _caption(sheet, x, side, TOP + height, names[index], scores[index], texts[index], index == chosen)
    _curve(sheet, curve_top, side, scores, decisions, chosen)
    return sheet.as_image()


def _tint(sheet: Sheet, x: int, side: int, bottom: int) -> None:
    """The chosen pass's column."""
    axes = sheet.picture(x - GAP / 2, TOP - GAP / 2, side + GAP, bottom - TOP + GAP / 2)
    axes.axhspan(0, 1, color=TINT)
    axes.set_ylim(0, 1)


def _head(sheet: Sheet, names: Sequence[str], scores: Sequence[float], chosen: int) -> None:
    sheet.text(LEFT, 36, "Harmonization, pass by pass", size=TITLE, weight="bold")
    if chosen:
        change = f"score {scores[0]:.3f} before, {scores[chosen]:.3f} after"
        result = f"{names[chosen].capitalize()} is the result: {change}"
    else:
        result = f"The composite is returned unchanged: score {scores[0]:.3f}"
    sheet.text(LEFT, 62, result, color=MUTED)


def _caption(
    sheet: Sheet, x: int, side: int, top: int, name: str, score: float, lines: Sequence[str], chosen: bool
) -> None:
    color = ACCENT if chosen else INK
    sheet.text(x, top + 22, name, size=SMALL + 1, color=color)
    sheet.text(x + side, top + 22, f"{score:.3f}", size=SMALL + 1, color=color, weight="bold", ha="right")
    for number, line in enumerate(lines):
        sheet.text(x, top + 44 + LINE * number, line, size=SMALL, color=MUTED)


def _curve(sheet: Sheet, top: int, side: int, scores: Sequence[float], decisions: Sequence[str], chosen: int) -> None:
    """The scores below their pictures, the decisions below the scores."""
    count = len(scores)
    axes = sheet.axes(LEFT, top, count * (side + GAP) - GAP, CURVE)
    axes.patch.set_visible(False)
    center = side / 2
    places = [center + index * (side + GAP) for index in range(count)]
    axes.set_xlim(0, count * (side + GAP) - GAP)
    axes.axhline(scores[0], color=MUTED, linewidth=1, linestyle=(0, (4, 4)))
    style = {"size": SMALL, "color": MUTED, "ha": "right", "va": "bottom"}
    axes.annotate("composite", (1, scores[0]), (0, 3), ("axes fraction", "data"), "offset points", **style)
    axes.plot(places, scores, color=INK, linewidth=1.6, marker="o", markersize=5)
    axes.plot(places[chosen], scores[chosen], color=ACCENT, marker="o", markersize=10)
    axes.margins(y=0.15)
    axes.locator_params(axis="y", nbins=4)
    axes.grid(axis="y", color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
    axes.set_xticks(places, decisions)
    axes.tick_params(length=0, labelsize=SMALL, labelcolor=MUTED)
    axes.set_ylabel("score", size=SMALL, color=MUTED)
    sheet.text(LEFT - 12, top + CURVE + 15, "then", size=SMALL, color=MUTED, ha="right")
