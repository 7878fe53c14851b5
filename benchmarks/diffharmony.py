"""DiffHarmony as the benchmarks measure it, and what Harmony-VAE brings. Needs the host."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table
from safetensors.torch import load_file
from torch import Tensor

from ..core.errors import InputError
from ..core.masks import foreground
from ..core.view import cut, find_view
from ..data.composites import Pasted
from ..data.pairs import Pair
from ..data.photos import read_image, read_mask
from ..evaluator.model import HarmonyEvaluator
from ..host.diffharmony.harmonizer import Models, SamplingSettings, harmonize
from ..host.evaluator import EMBEDDED as JUDGE
from ..host.evaluator import load_evaluator
from ..host.image import decode, encode
from ..host.routed.harmonizer import EMBEDDED, load_harmonizer
from ..methods.diffharmony.carry import Carry
from ..mini.diffharmony.loader import SEEDS, SETTINGS, assembled, load_diffharmony
from .baselines import Method, nothing
from .metrics import score
from .routed import ROUTED, routed
from .speed import fastest

EXAMPLE = Path(__file__).resolve().parent.parent / "workflows" / "examples" / "tree_golden"
DIFFHARMONY = "DiffHarmony"


def diffharmony(
    models: Models,
    *,
    seeds: int = SEEDS,
    carry: Carry = "lut",
    settings: SamplingSettings = SETTINGS,
    judge: HarmonyEvaluator | None = None,
) -> Method:
    """The method that averages some seeds, or asks a judge.

    A composite whose object vanishes at the latent's size is left as it is.
    """

    def method(pasted: Pasted) -> Tensor:
        image, mask = pasted.composite[None], pasted.mask[None]
        try:
            return harmonize(models, image, mask, settings, count=seeds, judge=judge, carry=carry).image[0]
        except InputError as error:
            if error.parameter != "mask":
                raise
            return pasted.composite

    return method


def diffharmony_methods(models: Models, variants: bool) -> dict[str, Method]:
    """Rows of the quality table; with variants also one seed, the plain VAE, and the model's own pixels."""
    found = {
        f"{DIFFHARMONY}, {SEEDS} seeds": diffharmony(models),
        f"{DIFFHARMONY}, {SEEDS} seeds, judged": diffharmony(models, judge=load_evaluator(JUDGE)),
    }
    if variants:
        plain = Models(models.model, models.clip, models.vae)
        found |= {
            f"{DIFFHARMONY}, 1 seed": diffharmony(models, seeds=1),
            f"{DIFFHARMONY}, {SEEDS} seeds, plain VAE": diffharmony(plain),
            f"{DIFFHARMONY}, {SEEDS} seeds, pixels": diffharmony(models, carry="pixels"),
        }
    return found


@dataclass(frozen=True)
class Decoded:
    """What the decoders make of one truth's latent, dB inside the mask against the square itself."""

    plain: float
    harmony: float


def decoded(models: Models, pair: Pair, size: int) -> Decoded:
    """Harmony-VAE and its plain VAE on the latent of a pair's truth; Harmony-VAE sees the composite beside it."""
    assert models.harmony_vae is not None
    mask = pair.mask[None]
    rectangle = find_view(foreground(mask[0]), SETTINGS.view)
    truth, plane = cut(pair.truth[None], mask, rectangle, size)
    composite, _ = cut(pair.composite[None], mask, rectangle, size)
    inside = foreground(plane).float()
    latent = encode(models.vae, truth)
    pictures = decode(models.vae, latent), models.harmony_vae.decode(latent, composite, inside)
    return Decoded(*(psnr_inside(picture, truth, inside) for picture in pictures))


def psnr_inside(picture: Tensor, truth: Tensor, mask: Tensor) -> float:
    """dB of 8-bit pictures [1,H,W,3] inside a mask [1,H,W]."""
    fmse = score(picture[0], truth[0], mask[0]).fmse
    return 10 * torch.log10(torch.tensor(255.0**2 / max(fmse, 1e-10))).item()


def measure_decoders(
    pairs: Iterable[Pair], models: Mapping[str, Models], sizes: Iterable[int], total: int | None
) -> dict[tuple[str, int], list[Decoded]]:
    """Of each of some networks and each size, what the decoders make of every pair."""
    sizes = list(sizes)
    results = {(name, size): [] for name in models for size in sizes}
    for pair in track(pairs, "pairs", total=total, console=Console(stderr=True)):
        for name, size in results:
            results[name, size].append(decoded(models[name], pair, size))
    return results


def decoder_table(results: Mapping[tuple[str, int], list[Decoded]]) -> Table:
    """Mean dB of both decoders, a row for each network and size."""
    count = len(next(iter(results.values())))
    table = Table("Harmony-VAE", "side, pixels", "plain VAE, dB", "Harmony-VAE, dB", "gain, dB")
    table.title = f"The truth's latent, decoded: inside the mask, n={count}"
    for (name, size), rows in results.items():
        plain, harmony = (sum(getattr(row, decoder) for row in rows) / count for decoder in ("plain", "harmony"))
        table.add_row(name, f"{size}", f"{plain:.2f}", f"{harmony:.2f}", f"{harmony - plain:+.2f}")
    return table


def bundles(files: Sequence[Path]) -> dict[str, Models]:
    """The embedded networks, and those of files, which are named by their folders.

    Without the embedded ones where files are given: then it is those that are compared.
    """
    if not files:
        return {EMBEDDED: load_diffharmony()}
    tables = ((file.resolve().parent.name, load_file(file)) for file in files)
    return {name: assembled(weights, weights, "harmonize") for name, weights in tables}


def quality_methods(networks: Mapping[str, Models], variants: bool) -> dict[str, Method]:
    """Rows of the quality table: nothing, and each of some networks; with variants also the routed network."""
    found: dict[str, Method] = {"nothing": nothing}
    if variants:
        found[ROUTED] = routed(load_harmonizer(EMBEDDED))
    for name, models in networks.items():
        found |= {f"{row} ({name})": method for row, method in diffharmony_methods(models, variants).items()}
    return found


def seconds(models: Models, repeats: int = 3) -> float:
    """The fastest of some runs of the example picture."""
    example = Pasted("", "", read_image(EXAMPLE / "composite.jpg"), (read_mask(EXAMPLE / "mask.png") > 0.5).float())
    return fastest(partial(diffharmony(models), example), repeats)
