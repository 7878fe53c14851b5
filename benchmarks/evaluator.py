"""How well a harmony score tells natural photos from pasted composites, and orders recolorings of one photo."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import track
from rich.table import Table
from scipy.stats import mannwhitneyu, spearmanr
from torch import Tensor

from ..data.pairs import channels_first
from ..data.photos import Photo, read_photos
from ..data.recoloring.extremes import EXTREMES
from ..data.recoloring.lab import (
    FULL_STRENGTH,
    RANKS,
    Spread,
    Tones,
    jitter,
    mean_distance,
    rank_of,
    recolor,
    recolor_by_degrees,
    region_statistics,
    to_lab,
    transfer,
)
from ..description.statistics.norms import load_norms
from ..evaluator.model import HarmonyEvaluator

SHIFTS = Spread(shift=(12.0, 9.0, 12.0), log_contrast=0.0, log_chroma=0.0)
PLAINLY_OTHER = 10.0  # in Lab (CIE76)

Score = Callable[[Tensor, Tensor, str], float]  # image [H,W,3] in 0-1, mask [H,W] and the object's name -> the score


@dataclass(frozen=True)
class Figures:
    """Of one score. Correlations are Spearman's, of a falling score with a rising strength."""

    auc: float  # ROC, natural photos over pasted composites
    one_way: float  # mean over photos: versions recolored in one direction, by degrees
    all_ways: float  # mean over photos: each version recolored in its own direction
    pooled: float  # over the versions of all photos
    above_shifted: float  # share of photos that score above themselves with the object's tones shifted
    above_absurd: float  # share of absurd versions (black, blown out, ...) that score below their photo


def photos_of(folder: Path, limit: int | None = None) -> tuple[list[Photo], str]:
    """The photos to measure on, and a line that says what they are.

    Args:
        folder: photo set. Those held back from the evaluator's training are taken, or all where it has none of them.
        limit: only the first so many of either kind.

    Raises:
        ValueError: when a kind is missing.
    """
    held_back = read_photos(folder, "evaluator_held_back")
    found = held_back or [*read_photos(folder, "train"), *read_photos(folder, "tune"), *read_photos(folder, "report")]
    photos = [photo for kind in (True, False) for photo in [p for p in found if p.natural == kind][:limit]]
    natural = sum(photo.natural for photo in photos)
    if natural in (0, len(photos)):
        raise ValueError(
            f"{folder} has {natural} natural photos and {len(photos) - natural} composites to measure on; "
            "both kinds are needed (column kind of index.csv: natural or composite)."
        )
    source = "held back from the evaluator's training" if held_back else "all of the folder"
    return photos, f"{natural} natural photos and {len(photos) - natural} composites, {source}"


def measure(photos: Sequence[Photo], scores: dict[str, Score], seed: int = 0) -> dict[str, Figures]:
    """Every score on the same pictures; a photo whose object fills the picture is left out of the correlations."""
    plain = {name: ([], []) for name in scores}
    one_way, all_ways = Correlations(scores), Correlations(scores)
    shifts, absurd = ({name: [] for name in scores} for _ in range(2))
    for index, photo in enumerate(track(photos, "photos")):
        image, mask = photo.image(), photo.foreground()
        for name, score in scores.items():
            plain[name][photo.natural].append(score(image, mask, photo.object))
        if photo.natural:
            generator = torch.Generator().manual_seed(seed * 1_000_003 + index)
            others = [
                other for other in photos if other.natural and other.object == photo.object and other is not photo
            ]
            one_way.add(versions(photo, others, generator, directions=1), mask, photo.object)
            all_ways.add(versions(photo, others, generator, directions=RANKS), mask, photo.object)
            worse = shifted(photo, generator), absurd_versions(photo)
            for name, score in scores.items():
                own = plain[name][True][-1]
                shifts[name].append(own > score(worse[0], mask, photo.object))
                absurd[name] += [own > score(version, mask, photo.object) for version in worse[1]]
    return {
        name: Figures(
            auc(natural, pasted),
            one_way.within(name),
            all_ways.within(name),
            all_ways.pooled(name),
            float(np.mean(shifts[name])),
            float(np.mean(absurd[name])),
        )
        for name, (pasted, natural) in plain.items()
    }


class Correlations:
    """Scores and strengths of the versions of many photos."""

    def __init__(self, scores: dict[str, Score]) -> None:
        self.scores = scores
        self.photos: list[tuple[list[float], dict[str, list[float]]]] = []

    def add(self, versions: Iterable[tuple[Tensor, float]], mask: Tensor, name: str) -> None:
        images, strengths = zip(*versions, strict=True)
        values = {key: [score(image, mask, name) for image in images] for key, score in self.scores.items()}
        self.photos.append((list(strengths), values))

    def within(self, name: str) -> float:
        """The mean over photos. A photo whose every version came out alike, such as a white sky, says nothing."""
        telling = [(strengths, values[name]) for strengths, values in self.photos if len(set(strengths)) > 1]
        return float(np.mean([correlation(strengths, values) for strengths, values in telling]))

    def pooled(self, name: str) -> float:
        pairs = [(s, v) for strengths, values in self.photos for s, v in zip(strengths, values[name], strict=True)]
        return correlation(*zip(*pairs, strict=True))


def versions(
    photo: Photo, others: Sequence[Photo], generator: torch.Generator, directions: int
) -> list[tuple[Tensor, float]]:
    """Recolorings of a photo, weak to strong.

    Args:
        photo: a natural one.
        others: photos of the same kind of object, whose looks are taken.
        generator: of the choices.
        directions: 1 for versions on a line away from the photo, RANKS for a direction of its own each: another
            object's look, or a random change of tones, in turn.

    Returns:
        RANKS images [H,W,3] with 8-bit colors, and the rank that each one's strength reached.
    """
    image, mask = _planes(photo)
    mean, deviation = region_statistics(to_lab(image), mask)

    def tones(index: int) -> Tones:
        other = int(torch.randint(1 << 30, (1,), generator=generator))
        jittered = jitter(mean, torch.randn((1, 5, 1, 1), generator=generator))
        if not others or (index + other) % 2:
            return jittered
        there, plane = _planes(others[other // 2 % len(others)])
        return transfer(mean, deviation, *region_statistics(to_lab(there), plane))

    ways = [tones(index) for index in range(directions)]
    result = []
    for rank in range(RANKS):
        wanted = torch.tensor([rank / (RANKS - 1) * FULL_STRENGTH])
        recolored, reached = recolor_by_degrees(image, mask, ways[rank % directions], wanted)
        result.append((_in_eight_bits(recolored), rank_of(reached).item()))
    return result


def shifted(photo: Photo, generator: torch.Generator) -> Tensor:
    """The photo [H,W,3] with its object's Lab shifted by chance."""
    image, mask = _planes(photo)
    mean, _ = region_statistics(to_lab(image), mask)
    return _in_eight_bits(recolor(image, mask, jitter(mean, torch.randn((1, 5, 1, 1), generator=generator), SHIFTS)))


def absurd_versions(photo: Photo) -> list[Tensor]:
    """Versions [H,W,3] whose object no one would call natural. What hardly differs from the photo is left out: a white
    sky that is blown out is still a white sky.
    """
    image, mask = _planes(photo)
    made = [extreme(image, torch.tensor(0.5)) for extreme in EXTREMES.values()]
    far = [version for version in made if mean_distance(image, version, mask) > PLAINLY_OTHER]
    return [_in_eight_bits(torch.lerp(image, version, mask)) for version in far]


def auc(natural: Sequence[float], pasted: Sequence[float]) -> float:
    """The share of (natural, pasted) pairs in which the natural photo has the higher score."""
    return float(mannwhitneyu(natural, pasted).statistic) / (len(natural) * len(pasted))


def correlation(strengths: Sequence[float], scores: Sequence[float]) -> float:
    if len(set(scores)) == 1:
        return 0.0
    result: Any = spearmanr(strengths, scores)
    return -float(result.statistic)


def network_score(evaluator: HarmonyEvaluator) -> Score:
    return lambda image, mask, name: evaluator.score(image[None], mask[None]).item()


def statistics_score(image: Tensor, mask: Tensor, name: str) -> float:
    """A score without a network: how near the object's color statistics are to what the scene makes one expect."""
    norms = load_norms()
    actual = norms.object_offset(name, image, mask)
    return -(actual - norms.expected_offset(image, mask)).norm().item()


def gray(image: Tensor, mask: Tensor) -> Tensor:
    """Lightness alone."""
    return (image @ torch.tensor([0.299, 0.587, 0.114]))[..., None].expand_as(image)


def blank(image: Tensor, mask: Tensor) -> Tensor:
    """Nothing but the mask."""
    return torch.full_like(image, 0.5)


def flat(image: Tensor, mask: Tensor) -> Tensor:
    """Either region in its mean color: no texture, no seam."""
    result = torch.empty_like(image)
    for region in (mask > 0, mask == 0):
        result[region] = image[region].mean(0)
    return result


def without_object(image: Tensor, mask: Tensor) -> Tensor:
    """The scene alone."""
    return torch.where(mask[..., None] > 0, torch.tensor(0.5), image)


# What is left to tell natural from pasted by, when everything else is taken away.
REDUCTIONS = {"lightness alone": gray, "mean colors alone": flat, "scene alone": without_object, "mask alone": blank}


def evidence_table(photos: Sequence[Photo], score: Score) -> Table:
    """ROC-AUC of the score on reduced pictures: what it owes to each source of evidence."""
    values = {name: ([], []) for name in REDUCTIONS}
    for photo in track(photos, "reduced photos"):
        image, mask = photo.image(), photo.foreground()
        for name, reduction in REDUCTIONS.items():
            values[name][photo.natural].append(score(reduction(image, mask), mask, photo.object))
    drawn = Table("what is left of the pictures", "ROC-AUC")
    for name, (pasted, natural) in values.items():
        drawn.add_row(name, f"{auc(natural, pasted):.3f}")
    return drawn


def table(results: dict[str, Figures], title: str) -> Table:
    columns = (
        "score",
        "ROC-AUC",
        "Spearman, one direction",
        "Spearman, all directions",
        "Spearman, pooled",
        "photo above its shifted self",
        "above its absurd selves",
    )
    drawn = Table(*columns, title=title)
    for name, figures in results.items():
        drawn.add_row(name, *(f"{value:.3f}" for value in vars(figures).values()))
    return drawn


def write_json(results: dict[str, Figures], path: Path) -> None:
    path.write_text(json.dumps({name: vars(figures) for name, figures in results.items()}, indent=1) + "\n")


def _planes(photo: Photo) -> tuple[Tensor, Tensor]:
    """Image [1,3,H,W] and mask [1,1,H,W]."""
    return channels_first(photo.image(), photo.foreground())


def _in_eight_bits(image: Tensor) -> Tensor:
    """An image [1,3,H,W] as [H,W,3] in the colors that files hold."""
    return (image[0].movedim(0, -1) * 255).round() / 255
