"""The stages as nodes call them: host objects in, values of the method out."""

from __future__ import annotations

from typing import Any

import torch
from comfy.model_patcher import ModelPatcher
from comfy.sd import CLIP
from torch import Tensor

from ...core.types import ImagingDescription
from ...methods.zero_shot.editing import StepRange, edit_direct, edit_guided
from ...methods.zero_shot.inversion import invert
from ...methods.zero_shot.refinement import RefinementSettings, encode_pair, refine
from ...methods.zero_shot.training_refinement import TrainingSettings, refine_by_training
from ...methods.zero_shot.types import NullText, RefinedEmbedding, Trajectory
from ...methods.zero_shot.word_maps import WordMaps, word_maps
from ..sampling.denoiser import Conditioning, to_latent_out, with_denoiser
from ..sampling.gradients import engine_boundary, owned
from ..sampling.model import family, sigmas_for
from ..sampling.progress import progress
from ..sampling.text import ClipEncoder

_STYLES = {
    RefinementSettings: (refine, "RefineEmbedding"),
    TrainingSettings: (refine_by_training, "RefineEmbeddingTraining"),
}


def invert_latent(
    model: ModelPatcher,
    clip: CLIP,
    latent: Tensor,
    steps: int = 50,
    fixed_point_iterations: int = 0,
    conditioning: Conditioning | None = None,
) -> Trajectory:
    """DDIM inversion of LATENT samples [B,C,h,w] at guidance 0: along the empty prompt's prediction."""
    family(model, "DDIMInvert")
    encoder = ClipEncoder(clip, "DDIMInvert")
    empty = encoder.encode(encoder.tokenize(""))
    sigmas = sigmas_for(model, steps)
    callback = progress(len(sigmas) - 1, model)
    return with_denoiser(
        model,
        latent,
        lambda denoise, start: invert(denoise, start, sigmas, empty, fixed_point_iterations, callback),
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
) -> RefinedEmbedding:
    """Text embedding refinement (paper eq. 2-4) in the style of its settings; mask: MASK [H,W] or [B,H,W]."""
    run, node = _STYLES[type(settings)]
    family(model, node)
    encoder = ClipEncoder(clip, node)
    if settings.evaluations(trajectory.steps) == 0:
        return encode_pair(encoder, description, trajectory, node)
    callback = progress(settings.evaluations(trajectory.steps))
    planes = (mask[None] if mask.ndim == 2 else mask)[:, None]
    with engine_boundary():
        private, planes = owned(trajectory), owned(planes)
        with encoder.gradients():
            return with_denoiser(
                model,
                to_latent_out(model, private.latents[-1]),
                lambda denoise, _: run(denoise, encoder, private, description, planes, settings, callback),
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
    """Where the foreground's and the background's words attend, before and after refinement."""
    family(model, "AttentionMaps")
    encoder = ClipEncoder(clip, "AttentionMaps")
    callback = progress(2 * min(levels, trajectory.steps))
    return with_denoiser(
        model,
        to_latent_out(model, trajectory.latents[-1]),
        lambda denoise, _: word_maps(denoise, encoder, trajectory, description, refined, levels, callback),
        trajectory.sigmas,
    )


def edit_trajectory(
    model: ModelPatcher,
    trajectory: Trajectory,
    refined: RefinedEmbedding,
    strength: float = 1.0,
    cross_window: StepRange = (0.0, 1.0),
    self_window: StepRange = (0.0, 1.0),
    null_text: NullText | None = None,
    guidance_scale: float = 2.5,
    conditioning: Conditioning | None = None,
) -> Tensor:
    """Attention-controlled edit; returns LATENT samples [B,C,h,w]. Direct inversion unless a null text is given."""
    family(model, "AttentionControlledEdit")
    callback = progress(trajectory.steps, model)

    def stage(denoise: Any, _: Tensor) -> Tensor:
        if null_text is None:
            return edit_direct(denoise, trajectory, refined, strength, cross_window, self_window, callback)
        return edit_guided(denoise, trajectory, refined, null_text, guidance_scale, cross_window, self_window, callback)

    latent = to_latent_out(model, trajectory.latents[-1])
    return to_latent_out(model, with_denoiser(model, latent, stage, trajectory.sigmas, conditioning))


def scheduled_conditioning(contexts: Tensor, sigmas: Tensor) -> Conditioning:
    """Contexts [N,B,T,D], one a step, as a CONDITIONING that stock samplers follow over `sigmas` [N+1]."""
    if all(torch.equal(context, contexts[0]) for context in contexts[1:]):
        return [[contexts[0].clone(), {}]]
    levels = sigmas[:-1].tolist()
    # The host's bounds are inclusive, so they lie between the sigmas.
    between = [(a * b) ** 0.5 for a, b in zip(levels, levels[1:], strict=False)]
    starts, ends = [1e9, *between], [*between, 0.0]
    return [
        [context.clone(), {"timestep_start": start, "timestep_end": end}]
        for context, start, end in zip(contexts, starts, ends, strict=True)
    ]
