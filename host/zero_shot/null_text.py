"""Null-text optimization as the node calls it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

import torch
from comfy.model_patcher import ModelPatcher
from comfy.sd import VAE
from torch import Tensor

from ...core.errors import InputError
from ...core.masks import foreground
from ...methods.zero_shot.null_text import NullTextSettings, optimize_null_text
from ...methods.zero_shot.structure.edges import EdgeLoss
from ...methods.zero_shot.types import NullText, RefinedEmbedding, Trajectory
from ..image import check_mask
from ..sampling.denoiser import Conditioning, to_latent_out, with_denoiser
from ..sampling.gradients import engine_boundary, owned
from ..sampling.model import require_text_width
from ..sampling.progress import progress
from ..sampling.saved import RESERVE
from ..sampling.vae import decoding_memory, differentiable_decoder, encoded_frame, require_vae_of
from .edges import Edges, detectors


def optimize_null(
    model: ModelPatcher,
    vae: VAE,
    trajectory: Trajectory,
    refined: RefinedEmbedding,
    image: Tensor,
    mask: Tensor,
    settings: NullTextSettings,
    *,
    edges: Edges = "auto",
    gamma: float = 0.1,
    conditioning: Conditioning | None = None,
) -> tuple[NullText, str]:
    """Edge-constrained null-text optimization (paper eq. 5-6).

    Args:
        model: the MODEL that inverted the picture.
        vae: the VAE that encoded it.
        trajectory: of the inversion.
        refined: its source row is the condition.
        image: IMAGE [B,H,W,C], the picture that was inverted.
        mask: MASK [H,W] or [B,H,W] of that picture, 1 on the foreground.
        settings: constants of the optimization.
        edges: "auto" takes PiDiNet where its weights are, "none" is plain null-text inversion.
        gamma: weight of the PiDiNet term.
        conditioning: its ControlNets, hooks and areas apply to every evaluation.

    Returns:
        The null text, and a line for the user about the edge detectors.

    Raises:
        InputError: when model, VAE, picture, mask or refined embedding do not belong to the trajectory, or PiDiNet
            cannot be used.
    """
    require_text_width(model, refined.source.shape[-1], "refined")
    require_vae_of(vae, trajectory.latent_shape)
    picture, mask = _pixels(vae, trajectory, image, mask)
    callback = progress(sum(settings.inner(step) for step in range(trajectory.steps)), model)
    with engine_boundary(), ExitStack() as stack:
        trajectory, refined, picture, mask = owned((trajectory, refined, picture, mask))
        chosen, notice = detectors(edges, gamma, vae.patcher.load_device)
        edge_loss, reserve = None, RESERVE
        if chosen:
            decode, model = stack.enter_context(differentiable_decoder(vae, model))
            picture, mask = (x.to(decode.device, torch.float32) for x in (picture, mask))
            edge_loss = _composed(EdgeLoss(picture, mask, chosen), decode)
            reserve = max(reserve, decoding_memory(vae, trajectory.latent_shape))
        return with_denoiser(
            model,
            to_latent_out(model, trajectory.latents[-1]),
            lambda denoise, _: optimize_null_text(denoise, trajectory, refined, settings, edge_loss, callback),
            trajectory.sigmas,
            conditioning,
            gradients=True,
            reserve=reserve,
        ), notice


def _composed(compare: EdgeLoss, decode: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    return lambda latent: compare(decode(latent))


def _pixels(vae: VAE, trajectory: Trajectory, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """The inverted picture [B,3,H,W] and its binary mask [B,H,W], framed as the VAE decodes it."""
    mask = check_mask(mask, image)
    picture = encoded_frame(vae, image[..., :3]).movedim(-1, 1)
    mask = encoded_frame(vae, mask[..., None])[..., 0]
    batch, _, height, width = trajectory.latent_shape
    scale = vae.spacial_compression_decode()
    if (len(picture), *picture.shape[2:]) != (batch, height * scale, width * scale):
        raise InputError(
            "image",
            f"got {image.shape[2]}x{image.shape[1]} (width x height, batch of {len(image)}), expected "
            f"{width * scale}x{height * scale} (batch of {batch}), the picture that was encoded and inverted.",
        )
    return picture, foreground(mask).float()
