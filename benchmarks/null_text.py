"""How near guidance comes back to a photo, with and without null-text, and what one conditional prediction saves."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from ..core.view import working_view
from ..data.photos import Photo
from ..description.statistics.provider import describe
from ..host.image import decode, encode
from ..host.sampling.denoiser import with_denoiser
from ..host.sampling.gradients import engine_boundary
from ..host.sampling.text import ClipEncoder
from ..host.zero_shot.edit import Models
from ..host.zero_shot.null_text import optimize_null
from ..host.zero_shot.stages import edit_trajectory, invert_latent, refine_words
from ..methods.zero_shot.contexts import each, tokens_of
from ..methods.zero_shot.null_text import NullTextSettings
from ..methods.zero_shot.refinement import RefinementSettings
from ..methods.zero_shot.types import Denoiser, NullText
from ..mini.loader import load_mini
from .metrics import Score, mean_score, score
from .speed import Comparison, compare

NO_STEPS = (0.0, 0.0)  # where attention is shared: nowhere, so that guidance is on its own
SIZE = 64


@dataclass(frozen=True)
class Reconstruction:
    """One photo, inverted and painted again with its own words."""

    id: str
    plain: Score  # with the empty prompt as it is
    optimized: Score  # with the null text
    seconds: float  # of the optimization


def reconstruct(models: Models, photo: Photo, steps: int, settings: NullTextSettings) -> Reconstruction:
    """Guidance along a photo's inversion, with and without null-text."""
    model, clip, vae = models.model, models.clip, models.vae
    with torch.inference_mode():
        whole, whole_mask = photo.image(), photo.foreground()
        image, mask = working_view(whole[None], whole_mask[None], SIZE)
        trajectory = invert_latent(model, clip, encode(vae, image), steps)
        words = describe(whole, whole_mask, photo.object)
        refined = refine_words(model, clip, trajectory, words, mask, RefinementSettings(steps_per_timestep=0))
        same = replace(refined, target=refined.source)
        start = time.perf_counter()
        null_text, _ = optimize_null(model, vae, trajectory, refined, image, mask, settings, edges="sobel")
        seconds = time.perf_counter() - start
        empty = each(lambda x, like: x.expand_as(like), refined.negative, null_text.embeddings)

        def painted(null: NullText) -> Score:
            latent = edit_trajectory(
                model,
                trajectory,
                same,
                cross_steps=NO_STEPS,
                self_steps=NO_STEPS,
                null_text=null,
                guidance_scale=settings.guidance_scale,
            )
            return score(decode(vae, latent)[0], image[0], (mask[0] > 0.5).float())

        return Reconstruction(photo.id, painted(replace(null_text, embeddings=empty)), painted(null_text), seconds)


def measure(photos: Sequence[Photo], steps: int, settings: NullTextSettings) -> list[Reconstruction]:
    models = Models(*load_mini())
    return [
        reconstruct(models, photo, steps, settings) for photo in track(photos, "photos", console=Console(stderr=True))
    ]


def table(found: list[Reconstruction], steps: int, settings: NullTextSettings) -> Table:
    title = f"Reconstruction of {len(found)} photos, {steps} steps, guidance {settings.guidance_scale:g}"
    drawn = Table("unconditional text", "PSNR / MSE / fMSE", "MSE, times lower", "lowest", "s a photo", title=title)
    plain, optimized = (mean_score([getattr(x, name) for x in found]) for name in ("plain", "optimized"))
    ratios = [x.plain.mse / x.optimized.mse for x in found]
    seconds = sum(x.seconds for x in found) / len(found)
    rows = (
        ("the empty prompt", plain, "", "", ""),
        ("null-text", optimized, f"{plain.mse / optimized.mse:.1f}", f"{min(ratios):.1f}", f"{seconds:.1f}"),
    )
    for name, m, *rest in rows:
        drawn.add_row(name, f"{m.psnr:.2f} / {m.mse:.1f} / {m.fmse:.1f}", *rest)
    return drawn


@dataclass(frozen=True)
class Saving:
    """One timestep of average length in both orders of work: three optimizer steps, then the step itself."""

    comparison: Comparison
    difference: float  # largest difference of the gradients, as a share of the largest gradient
    flops: int
    reference_flops: int


def conditional_once(denoise: Denoiser, latent: Tensor, context: Tensor, repeats: int, inner: int = 3) -> Saving:
    """One conditional prediction for each timestep, against both rows in every evaluation. Results are gradients."""
    scale = NullTextSettings().guidance_scale

    def gradient(eps_of: Callable[[Tensor], Tensor]) -> Tensor:
        null = context[:1].clone().requires_grad_()
        return torch.autograd.grad(eps_of(null).square().sum(), null)[0]

    def guided(eps_null: Tensor, eps_source: Tensor) -> Tensor:
        return eps_null + scale * (eps_source - eps_null)

    def both(null: Tensor) -> Tensor:
        return guided(*denoise(torch.cat([latent, latent]), 1.0, torch.cat([null, context[1:2]])).chunk(2))

    def timestep(prepare: Callable[[], Callable[[Tensor], Tensor]]) -> Tensor:
        eps_of = prepare()
        gradients = [gradient(eps_of) for _ in range(inner)]
        with torch.no_grad():
            eps_of(context[:1])
        return torch.stack(gradients)

    def once() -> Callable[[Tensor], Tensor]:
        with torch.no_grad():
            eps_source = denoise(latent, 1.0, context[1:2])
        return lambda null: guided(denoise(latent, 1.0, null), eps_source)

    def flops(prepare: Callable[[], Callable[[Tensor], Tensor]]) -> int:
        with FlopCounterMode(display=False) as counter:
            timestep(prepare)
        return counter.get_total_flops()

    comparison = compare(
        "null-text: the conditional row once a timestep",
        lambda: timestep(once),
        lambda: timestep(lambda: both),
        repeats,
    )
    largest = timestep(once).abs().max().item()
    return Saving(comparison, comparison.difference / largest, flops(once), flops(lambda: both))


def saving(repeats: int) -> Saving:
    """On the embedded model, at its own size."""
    model, clip, _ = load_mini()
    encoder = ClipEncoder(clip)
    context = torch.cat([tokens_of(encoder.encode(encoder.tokenize(text))) for text in ("", "tree dark cold")]).detach()
    latent = torch.randn(1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    with engine_boundary():
        return with_denoiser(
            model,
            latent,
            lambda denoise, z: conditional_once(denoise, z, context, repeats),
            torch.tensor([1.0, 0.0]),
            gradients=True,
        )


def saving_table(found: Saving) -> Table:
    c = found.comparison
    drawn = Table("a timestep", "GFLOP", "ms", title="The conditional prediction does not depend on the null text")
    drawn.add_row("both rows each time", f"{found.reference_flops / 1e9:.1f}", f"{1000 * c.reference_seconds:.0f}")
    drawn.add_row("the conditional row once", f"{found.flops / 1e9:.1f}", f"{1000 * c.seconds:.0f}")
    ratios = found.flops / found.reference_flops, c.seconds / c.reference_seconds
    drawn.add_row("ratio", *(f"{ratio:.2f}x" for ratio in ratios))
    drawn.caption = f"the gradients differ by {found.difference:.1e} of the largest"
    return drawn
