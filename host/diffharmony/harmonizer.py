"""DiffHarmony's UNets in the host: harmonize composites, or make composites of a real picture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import cast

import comfy.sample
import node_helpers
import torch
from comfy.model_patcher import ModelPatcher
from comfy.sd import CLIP, VAE
from torch import Tensor

from ...color.lut import ColorLUT
from ...color.sequence import Change, Proposer
from ...core.errors import InputError
from ...core.masks import foreground
from ...core.view import Rectangle, ViewMode, cut, find_view
from ...evaluator.model import HarmonyEvaluator
from ...methods.diffharmony.carry import Carry, carried
from ...methods.diffharmony.conditioning import latent_frame, latent_mask
from ..image import check_mask, decode, encode
from ..judged import reason, scores_of, share_of
from ..sampling.denoiser import Conditioning
from ..sampling.model import family, is_sdxl
from ..sampling.progress import progress
from .vae import LATENT, HostHarmonyVAE

CHANNELS = 9  # noisy latent, mask, composite
SAMPLER, SCHEDULER = "euler_ancestral", "normal"
SEEDS = (1 << 64) - 1  # how many there are: the host's sampler takes the next one for its own noise


@dataclass(frozen=True)
class Models:
    """DiffHarmony's UNet and what belongs to it."""

    model: ModelPatcher
    clip: CLIP
    vae: VAE
    harmony_vae: HostHarmonyVAE | None = None


@dataclass(frozen=True, kw_only=True)
class SamplingSettings:
    """The paper's settings."""

    steps: int = 5
    size: int = 512  # side of the square that the model sees, pixels
    seed: int = 0  # of the first candidate; each further one has the next
    view: ViewMode = "whole"  # what the square shows: the picture, squashed, or a square around the object


@dataclass(frozen=True)
class Harmonized:
    """A batch's pictures."""

    image: Tensor  # [B,H,W,3]
    seeds: tuple[tuple[int, ...], ...]  # that went into each picture
    scores: tuple[tuple[float, ...], ...]  # the judge's, of each picture at each of JUDGED; empty without a judge
    luts: tuple[ColorLUT, ...]  # of each picture; none with the carry "pixels"

    def summary(self) -> str:
        """A line for each picture: its seeds, and why the judge took it."""
        return "\n".join(map(_reason, self.seeds, self.scores))


@dataclass(frozen=True)
class _Version:
    """One picture, harmonized."""

    seeds: tuple[int, ...]
    image: Tensor  # [1,H,W,3]
    lut: ColorLUT | None
    scores: tuple[float, ...] = ()


def conditioned(conditioning: Conditioning, latent: Tensor, mask: Tensor) -> Conditioning:
    """A conditioning that also shows the UNet a composite. The composite is whole: nothing under the mask is gray.

    Args:
        conditioning: the host's CONDITIONING.
        latent: the composite's LATENT samples [B,4,h,w].
        mask: [B,1,h,w], 0 or 1, see `latent_mask`. At the latent's size the host does not change it.
    """
    return node_helpers.conditioning_set_values(conditioning, {"concat_latent_image": latent, "concat_mask": mask})


def encoded(vae: VAE, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """What the UNet sees of composites.

    Args:
        vae: of Stable Diffusion 1.5, or the embedded one.
        image: IMAGE [B,H,W,3].
        mask: MASK, one or one for each picture, 1 on the object.

    Returns:
        LATENT samples [B,4,h,w], and the mask [B,1,h,w], 0 or 1.

    Raises:
        InputError: when the VAE is another one, or the mask does not fit, is empty or too small.
    """
    require_vae(vae)
    mask = check_mask(mask, image)
    latent = encode(vae, image)
    grid = (latent.shape[-2], latent.shape[-1])
    return latent, latent_mask(latent_frame(mask, grid, scale_of(vae)), grid)


def require_unet(model: ModelPatcher) -> None:
    """Refuse a MODEL that is no inpainting UNet of the SD1.5/SD2 family.

    Raises:
        InputError: when it is of another family, or has no place for the composite.
    """
    channels = family(model).in_channels
    if is_sdxl(model):
        raise InputError("model", "got SDXL's UNet, expected DiffHarmony's, which was made from Stable Diffusion 1.5.")
    if channels != CHANNELS:
        raise InputError(
            "model",
            f"got a UNet of {channels} input channels, expected {CHANNELS}: DiffHarmony's UNet sees the noisy latent, "
            f"the mask and the composite. Load base/unet (or inverse/unet) of its release with Load Diffusion Model.",
        )


def require_vae(vae: VAE, model: ModelPatcher | None = None) -> None:
    """Refuse a VAE whose latents are not Stable Diffusion's, or not those of a UNet.

    Raises:
        InputError: when their channels or their size are others.
    """
    vae.throw_exception_if_invalid()
    found, scale = type(vae.first_stage_model).__name__, scale_of(vae)
    if (vae.latent_dim, vae.latent_channels) != (2, LATENT):
        raise InputError(
            "vae",
            f"got {found} with latents of {vae.latent_channels} channels, expected the VAE of Stable Diffusion 1.5, "
            f"with {LATENT} channels, or the one that comes with the model.",
        )
    expected = scale if model is None else model.model.latent_format.spacial_downscale_ratio
    if scale != expected:
        raise InputError(
            "vae",
            f"got {found}, which makes pictures {scale} times smaller; this model's latents are {expected} times "
            "smaller. Take model and VAE from the same loader.",
        )


def scale_of(vae: VAE) -> int:
    """Pixels of a side for one of a VAE's latents."""
    return cast(int, vae.spacial_compression_encode())


def candidates(
    models: Models, image: Tensor, mask: Tensor, settings: SamplingSettings, count: int
) -> Iterator[tuple[int, Tensor]]:
    """Several answers to one picture, each from a seed of its own.

    Args:
        models: the networks.
        image: a square [1,S,S,3] in 0-1.
        mask: [1,S,S] in 0-1, 1 on the object.
        settings: of the sampling; the size is the square's.
        count: at least 1.

    Yields:
        The seed, and the square [1,S,S,3] as the model gives it, made when it is asked for.

    Raises:
        InputError: when a model or the mask does not fit.
    """
    require_vae(models.vae, models.model)
    latent, small = encoded(models.vae, image, mask)
    text = conditioned(empty_prompt(models.clip), latent, small)
    for number in range(count):
        seed = (settings.seed + number) % SEEDS
        sampled = sample(models.model, text, torch.zeros_like(latent), settings.steps, seed)
        if models.harmony_vae is None:
            yield seed, decode(models.vae, sampled)
        else:
            yield seed, models.harmony_vae.decode(sampled, image, mask)


def empty_prompt(clip: CLIP) -> Conditioning:
    """The text that DiffHarmony was trained with: none."""
    return [[text, options] for text, options in clip.encode_from_tokens_scheduled(clip.tokenize(""))]


def sample(model: ModelPatcher, text: Conditioning, latent: Tensor, steps: int, seed: int) -> Tensor:
    """LATENT samples as the host's KSampler gives them: Euler ancestral, schedule normal, no guidance, from noise."""
    report = progress(steps, model)
    return comfy.sample.sample(
        model,
        comfy.sample.prepare_noise(latent, seed),
        steps,
        1.0,
        SAMPLER,
        SCHEDULER,
        text,
        text,
        latent,
        callback=lambda step, denoised, noisy, total: report(step + 1, total, denoised),
        disable_pbar=True,
        seed=seed,
    )


def harmonize(
    models: Models,
    image: Tensor,
    mask: Tensor,
    settings: SamplingSettings,
    *,
    count: int = 1,
    judge: HarmonyEvaluator | None = None,
    carry: Carry = "pixels",
) -> Harmonized:
    """Every picture of a batch by itself.

    Args:
        models: the networks.
        image: IMAGE [B,H,W,3], sRGB in 0-1.
        mask: MASK of its size, one or one for each picture, 1 on the object.
        settings: of the sampling.
        count: how many seeds to try for each picture, at least 1.
        judge: takes the best of them and of their average, and then chooses how much of its change to make; None
            takes the average.
        carry: see `carried`.

    Raises:
        InputError: when a model does not fit, or the mask does not fit, is empty or too small.
    """
    require_unet(models.model)
    done = []
    for picture, plane in _pictures(image, mask):
        view, square, own = _square(picture, plane, settings)
        edits = [((seed,), edit) for seed, edit in candidates(models, square, own, settings, count)]
        average = tuple(seed for (seed,), _ in edits), torch.stack([edit for _, edit in edits]).mean(0)
        edits = [average] if judge is None or count == 1 else [average, *edits]
        versions = (_Version(seeds, *carried(picture, plane, view, square, edit, own, carry)) for seeds, edit in edits)
        done.append(next(versions) if judge is None else _judged(judge, picture, plane, versions))
    return Harmonized(
        torch.cat([version.image for version in done]),
        tuple(version.seeds for version in done),
        tuple(version.scores for version in done),
        tuple(version.lut for version in done if version.lut is not None),
    )


def _judged(judge: HarmonyEvaluator, picture: Tensor, mask: Tensor, versions: Iterable[_Version]) -> _Version:
    """The version that scores best, with as much of its change as the judge chooses."""
    best = max(versions, key=lambda version: float(judge.score(version.image, mask)))
    scores = scores_of(judge, lambda share: torch.lerp(picture, best.image, share)[0], mask[0])
    share = share_of(scores)
    lut = None if best.lut is None else best.lut.scaled(share)
    return _Version(best.seeds, torch.lerp(picture, best.image, share), lut, scores)


def _reason(seeds: tuple[int, ...], scores: tuple[float, ...]) -> str:
    told = f"seed {', '.join(map(str, seeds))}"
    return f"{told}; {share_of(scores):.0%} of the change; {reason(scores)}" if scores else told


def proposer(models: Models, settings: SamplingSettings, count: int) -> Proposer:
    """What a sequence asks at its key frames. An object that is too small to be harmonized is not judged.

    Args:
        models, settings, count: see `harmonize`.
    """

    def propose(frame: Tensor, mask: Tensor) -> Change | None:
        try:
            (lut,) = harmonize(models, frame[None], mask[None], settings, count=count, carry="lut").luts
        except InputError as error:
            if error.parameter != "mask":
                raise
            return None
        return lut.scaled

    return propose


def make_composites(
    models: Models, image: Tensor, mask: Tensor, settings: SamplingSettings, *, count: int, carry: Carry = "pixels"
) -> Tensor:
    """Composites of real pictures, by a model that was trained the other way around: the object no longer belongs.

    Args:
        models: the inverse networks.
        image: IMAGE [B,H,W,3] in 0-1, real pictures.
        mask: MASK of its size, one or one for each picture, 1 on the object to change.
        settings: of the sampling.
        count: composites of each picture, at least 1, each from a seed of its own.
        carry: see `carried`.

    Returns:
        IMAGE [B*count,H,W,3], the composites of the first picture first. Outside the mask they are the picture.

    Raises:
        InputError: when a model does not fit, or the mask does not fit, is empty or too small.
    """
    require_unet(models.model)
    made = []
    for picture, plane in _pictures(image, mask):
        view, square, own = _square(picture, plane, settings)
        edits = candidates(models, square, own, settings, count)
        made += [carried(picture, plane, view, square, edit, own, carry)[0] for _, edit in edits]
    return torch.cat(made)


def _pictures(image: Tensor, mask: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Each picture [1,H,W,3] of a batch with its mask [1,H,W]."""
    return zip(image[..., :3].split(1), check_mask(mask, image).split(1), strict=True)


def _square(picture: Tensor, mask: Tensor, settings: SamplingSettings) -> tuple[Rectangle, Tensor, Tensor]:
    """What of the picture the model sees: where that is, the square, and the square's mask."""
    view = find_view(foreground(mask[0]), settings.view)
    square, plane = cut(picture, mask.to(picture), view, settings.size)
    return view, square, foreground(plane).to(picture)
