"""The stages with the host's objects: MODEL, CLIP and LATENT in, values of the method out."""

from __future__ import annotations

import logging
from typing import Any

import torch
from comfy.model_patcher import ModelPatcher
from comfy.sd import CLIP
from torch import Tensor

from ...core.types import ImagingDescription
from ...methods.zero_shot.contexts import Context, PooledContext, tokens_of
from ...methods.zero_shot.editing import ALL_STEPS, StepRange, edit_direct, edit_guided
from ...methods.zero_shot.inversion import invert
from ...methods.zero_shot.refinement import RefinementSettings, encode_pair, refine
from ...methods.zero_shot.training_refinement import TrainingSettings, refine_by_training
from ...methods.zero_shot.types import NullText, RefinedEmbedding, Trajectory
from ...methods.zero_shot.word_maps import WordMaps, word_maps
from ..image import as_batch
from ..sampling.denoiser import Conditioning, to_latent_out, with_denoiser
from ..sampling.gradients import engine_boundary, owned
from ..sampling.model import is_sdxl, require_text_width, sigmas_for
from ..sampling.progress import progress
from ..sampling.text import ClipEncoder

logger = logging.getLogger(__name__)

# The smallest and the largest side of latents that models were trained on. The embedded model's are 64, SD2.1-v's 96.
SIDES, SDXL_SIDES = (64, 96), (128, 128)
_STYLES = {RefinementSettings: refine, TrainingSettings: refine_by_training}


def invert_latent(
    model: ModelPatcher,
    clip: CLIP,
    latent: Tensor,
    steps: int = 50,
    *,
    fixed_point_iterations: int = 0,
    conditioning: Conditioning | None = None,
) -> Trajectory:
    """DDIM inversion at guidance 0: along the empty prompt's prediction.

    Args:
        model: MODEL of the SD1, SD2 or SDXL family.
        clip: its CLIP.
        latent: LATENT samples [B,C,h,w].
        steps: at least 1; the host rounds it.
        fixed_point_iterations: further evaluations in each step; 0 is the paper's.
        conditioning: its ControlNets, hooks and areas apply to every evaluation.

    Raises:
        InputError: for a model, CLIP or latent of another kind, or a number out of range.
    """
    encoder = _encoder_of(model, clip)
    empty = encoder.encode(encoder.tokenize(""))
    _warn_of_size(model, latent)
    sigmas = sigmas_for(model, steps)
    callback = progress(len(sigmas) - 1, model)
    return with_denoiser(
        model,
        latent,
        lambda denoise, start: invert(
            denoise, start, sigmas, empty, fixed_point_iterations=fixed_point_iterations, callback=callback
        ),
        sigmas,
        conditioning,
    )


def refine_words(
    model: ModelPatcher,
    clip: CLIP,
    trajectory: Trajectory,
    description: ImagingDescription,
    mask: Tensor,
    settings: RefinementSettings | TrainingSettings,
    conditioning: Conditioning | None = None,
    importance: Tensor | None = None,
) -> RefinedEmbedding:
    """Text embedding refinement (paper eq. 2-4) in the style of its settings.

    Args:
        model: the MODEL that inverted the picture.
        clip: its CLIP.
        trajectory: of the inversion.
        description: an object, and at least one word each for foreground and background.
        mask: MASK [H,W] or [B,H,W] of the inverted picture, 1 on the foreground.
        settings: of the optimizing or of the training style.
        conditioning: its ControlNets, hooks and areas apply to every evaluation.
        importance: MASK of the mask's size: how much each part of the scene counts for the background's words. None:
            all count the same.

    Raises:
        InputError: for a model or CLIP of another kind, a mask or an importance that does not fit, or a description
            without words for one side.
    """
    run = _STYLES[type(settings)]
    encoder = _encoder_of(model, clip)
    if settings.evaluations(trajectory.steps) == 0:
        return encode_pair(encoder, description, trajectory)
    callback = progress(settings.evaluations(trajectory.steps))
    with engine_boundary():
        private, mask = owned(trajectory), owned(as_batch(mask))
        weights = None if importance is None else owned(as_batch(importance))
        with encoder.gradients():
            return with_denoiser(
                model,
                to_latent_out(model, private.latents[-1]),
                lambda denoise, _: run(denoise, encoder, private, description, mask, settings, callback, weights),
                private.sigmas,
                conditioning,
                gradients=True,
            )


def read_word_maps(
    model: ModelPatcher,
    clip: CLIP,
    trajectory: Trajectory,
    description: ImagingDescription,
    refined: RefinedEmbedding,
    levels: int = 10,
) -> tuple[WordMaps, WordMaps]:
    """Where the foreground's and the background's words attend, before and after refinement.

    Args:
        model: the MODEL that inverted the picture.
        clip: its CLIP.
        trajectory: of the inversion.
        description: the one that was refined.
        refined: the refined embedding.
        levels: noise levels to average over, spread evenly along the trajectory.

    Returns:
        The maps of the foreground's row and of the background's.

    Raises:
        InputError: for a model or CLIP of another kind, or a refined embedding of another trajectory or description.
    """
    encoder = _encoder_of(model, clip)
    callback = progress(2 * min(levels, trajectory.steps))
    return with_denoiser(
        model,
        to_latent_out(model, trajectory.latents[-1]),
        lambda denoise, _: word_maps(
            denoise, encoder, trajectory, description, refined, levels=levels, callback=callback
        ),
        trajectory.sigmas,
    )


def edit_trajectory(
    model: ModelPatcher,
    trajectory: Trajectory,
    refined: RefinedEmbedding,
    *,
    strength: float = 1.0,
    cross_steps: StepRange = ALL_STEPS,
    self_steps: StepRange = ALL_STEPS,
    null_text: NullText | None = None,
    guidance_scale: float = 2.5,
    conditioning: Conditioning | None = None,
) -> Tensor:
    """Attention-controlled edit: by direct inversion, or by guidance where a null text is given.

    Args:
        model: the MODEL that inverted the picture.
        trajectory: of the inversion.
        refined: contexts of the source and the target.
        strength: of the direct inversion; 0 returns the composite's latent.
        cross_steps: the steps whose cross-attention maps come from the source, as fractions [start, end).
        self_steps: the same for self-attention.
        null_text: the unconditional embedding of each step. None: direct inversion.
        guidance_scale: used with a null text.
        conditioning: its ControlNets, hooks and areas apply to every evaluation.

    Returns:
        LATENT samples [B,C,h,w].

    Raises:
        InputError: for a model of another kind, values of another trajectory, or a range of steps that is not
            0 <= start <= end <= 1.
    """
    require_text_width(model, refined.source.shape[-1], "refined")
    shared = {"cross_steps": cross_steps, "self_steps": self_steps, "callback": progress(trajectory.steps, model)}

    def stage(denoise: Any, _: Tensor) -> Tensor:
        if null_text is None:
            return edit_direct(denoise, trajectory, refined, strength=strength, **shared)
        return edit_guided(denoise, trajectory, refined, null_text, guidance_scale=guidance_scale, **shared)

    latent = to_latent_out(model, trajectory.latents[-1])
    return to_latent_out(model, with_denoiser(model, latent, stage, trajectory.sigmas, conditioning))


def _warn_of_size(model: ModelPatcher, latent: Tensor) -> None:
    """Say that a latent [B,C,h,w] is much larger or smaller than any model of its kind was made for."""
    smallest, largest = SDXL_SIDES if is_sdxl(model) else SIDES
    longest = max(latent.shape[-2:])
    if longest > 4 / 3 * largest:
        wrong = "more than it was made for. That is slow and does not make the result sharper."
    elif longest < smallest / 2:
        wrong = "far less than it was made for. The result will be poor."
    else:
        return
    logger.warning(
        "The model sees %dx%d latents, %s Set size to 64 for the embedded model, 512 for SD1.5 and SD2, 768 for "
        "SD2.1-v, 1024 for SDXL.",
        latent.shape[-1],
        latent.shape[-2],
        wrong,
    )


def _encoder_of(model: ModelPatcher, clip: CLIP) -> ClipEncoder:
    """The text encoder of a MODEL.

    Raises:
        InputError: for a model or CLIP of another kind, or a CLIP of another model.
    """
    encoder = ClipEncoder(clip)
    require_text_width(model, encoder.width)
    return encoder


def scheduled_conditioning(contexts: Context, sigmas: Tensor) -> Conditioning:
    """A CONDITIONING that stock samplers follow step by step; SDXL's with the pooled outputs.

    Args:
        contexts: [N,B,T,D], one for each step.
        sigmas: [N+1], the noise levels of the steps, descending.
    """
    tokens = tokens_of(contexts)
    extras = [{"pooled_output": x.clone()} for x in contexts.pooled] if isinstance(contexts, PooledContext) else None
    extras = extras or [{} for _ in tokens]
    if all(torch.equal(context, tokens[0]) for context in tokens[1:]):
        return [[tokens[0].clone(), extras[0]]]
    levels = sigmas[:-1].tolist()
    # The host's bounds are inclusive, so they lie between the sigmas.
    between = [(a * b) ** 0.5 for a, b in zip(levels, levels[1:], strict=False)]
    starts, ends = [1e9, *between], [*between, 0.0]
    return [
        [context.clone(), {"timestep_start": start, "timestep_end": end, **extra}]
        for context, extra, start, end in zip(tokens, extras, starts, ends, strict=True)
    ]
