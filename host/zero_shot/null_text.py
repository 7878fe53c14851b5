"""Null-text optimization as the node calls it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

import torch
from comfy.model_patcher import ModelPatcher
from comfy.sd import VAE
from torch import Tensor

from ...core.masks import binarize_mask
from ...methods.zero_shot.null_text import NODE, NullTextSettings, optimize_null_text
from ...methods.zero_shot.structure.edges import EdgeLoss
from ...methods.zero_shot.types import NullText, RefinedEmbedding, Trajectory
from ..image import check_mask
from ..sampling.denoiser import Conditioning, to_latent_out, with_denoiser
from ..sampling.gradients import engine_boundary, owned
from ..sampling.model import family
from ..sampling.progress import progress
from ..sampling.vae import differentiable_decoder, encoded_frame, require_vae_of
from .edges import Edges, detectors


def optimize_null(
    model: ModelPatcher,
    vae: VAE,
    trajectory: Trajectory,
    refined: RefinedEmbedding,
    image: Tensor,
    mask: Tensor,
    settings: NullTextSettings,
    edges: Edges = "auto",
    gamma: float = 0.1,
    conditioning: Conditioning | None = None,
) -> tuple[NullText, str]:
    """Edge-constrained null-text optimization (paper eq. 5-6), and a line on the edge detectors used.

    Args:
        image, mask: IMAGE [B,H,W,C] and MASK [H,W] or [B,H,W] of the picture that was inverted.
        edges: "auto" takes PiDiNet where its weights are, "none" is plain null-text inversion.
        gamma: weight of the PiDiNet term.
    """
    family(model, NODE)
    require_vae_of(vae, trajectory.latent_shape, NODE)
    picture, region = _pixels(vae, trajectory, image, mask)
    callback = progress(sum(settings.inner(step) for step in range(trajectory.steps)), model)
    with engine_boundary(), ExitStack() as stack:
        trajectory, refined, picture, region = owned((trajectory, refined, picture, region))
        chosen, notice = detectors(edges, gamma, vae.patcher.load_device, NODE)
        edge_loss = None
        if chosen:
            decode, model = stack.enter_context(differentiable_decoder(vae, model))
            picture, region = (x.to(decode.device, torch.float32) for x in (picture, region))
            edge_loss = _composed(EdgeLoss(picture, region, chosen), decode)
        return with_denoiser(
            model,
            to_latent_out(model, trajectory.latents[-1]),
            lambda denoise, _: optimize_null_text(denoise, trajectory, refined, settings, edge_loss, callback),
            trajectory.sigmas,
            conditioning,
            gradients=True,
        ), notice


def _composed(compare: EdgeLoss, decode: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    return lambda latent: compare(decode(latent))


def _pixels(vae: VAE, trajectory: Trajectory, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """The inverted picture [B,3,H,W] and its binary mask [B,1,H,W], framed as the VAE decodes it."""
    mask = check_mask(mask, image, NODE)
    picture, region = (encoded_frame(vae, x).movedim(-1, 1) for x in (image[..., :3], mask[..., None]))
    batch, _, height, width = trajectory.latent_shape
    scale = vae.spacial_compression_decode()
    if (len(picture), *picture.shape[2:]) != (batch, height * scale, width * scale):
        raise ValueError(
            f"{NODE}, input image: got {image.shape[2]}x{image.shape[1]} (width x height, batch of {len(image)}), "
            f"expected {width * scale}x{height * scale} (batch of {batch}), the picture that was encoded and inverted."
        )
    return picture, binarize_mask(region, node=NODE)
