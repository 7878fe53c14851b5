"""Null-text optimization as the node calls it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack

import torch
from comfy.model_patcher import ModelPatcher
from comfy.sd import VAE
from torch import Tensor
from torch.nn.functional import max_pool2d

from ...core.errors import InputError
from ...core.masks import bounding_box, foreground
from ...core.view import Rectangle, padded
from ...methods.zero_shot.null_text import NullTextSettings, optimize_null_text
from ...methods.zero_shot.structure.edges import EdgeDetector, EdgeLoss
from ...methods.zero_shot.types import NullText, RefinedEmbedding, Trajectory
from ..image import check_mask
from ..sampling.denoiser import Conditioning, to_latent_out, with_denoiser
from ..sampling.gradients import engine_boundary, owned
from ..sampling.model import require_text_width
from ..sampling.progress import progress
from ..sampling.saved import RESERVE
from ..sampling.vae import decoding_memory, differentiable_decoder, encoded_frame, require_vae_of
from .edges import Edges, detectors

CROP_MARGIN = 2  # of a decoded part around the mask, in the latent's own pixels


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
    cropped: bool = False,
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
        cropped: decode what lies around the mask alone, see `decoded_part`. Faster, and nearly the same.
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
            *rows, height, width = trajectory.latent_shape
            scale = picture.shape[-1] // width
            part = decoded_part(mask, scale) if cropped else Rectangle(0, 0, height, width)
            edge_loss = edges_of(part, decode, picture, mask, chosen, scale)
            reserve = max(reserve, decoding_memory(vae, (*rows, part.height, part.width)))
        return with_denoiser(
            model,
            to_latent_out(model, trajectory.latents[-1]),
            lambda denoise, _: optimize_null_text(denoise, trajectory, refined, settings, edge_loss, callback),
            trajectory.sigmas,
            conditioning,
            gradients=True,
            reserve=reserve,
        ), notice


def edges_of(
    part: Rectangle,
    decode: Callable[[Tensor], Tensor],
    picture: Tensor,
    mask: Tensor,
    chosen: Sequence[tuple[EdgeDetector, float]],
    scale: int,
) -> Callable[[Tensor], Tensor]:
    """The edge terms as a function of a latent [B,C,h,w] to [B], of which only a part is decoded.

    Args:
        part: of the latent; it holds the mask.
        decode: latents to pictures [B,3,H,W] in 0-1.
        picture: the composite, [B,3,H,W].
        mask: [B,H,W], 1 on the foreground.
        chosen: the edge detectors with their weights.
        scale: pixels of the picture's side for one of the latent's.
    """
    pixels = Rectangle(*(scale * value for value in (part.top, part.left, part.height, part.width)))
    compare = EdgeLoss(pixels.of(picture), pixels.of(mask), chosen)
    share = pixels.height * pixels.width / mask[0].numel()  # a mean over the whole picture, though all else is 0 in it
    return lambda latent: share * compare(decode(part.of(latent)))


def decoded_part(mask: Tensor, scale: int, margin: int = CROP_MARGIN) -> Rectangle:
    """The part of a latent that the edge terms need: what holds the mask, and a margin around it.

    Edges count inside the mask alone, and what a decoder paints there depends little on what lies farther away
    (`benchmarks crop` has how little). Without any mask all is needed.

    Args:
        mask: [B,H,W], nonzero on the objects of a batch; all lie inside.
        scale: pixels of the picture's side for one of the latent's.
        margin: in the latent's own pixels.
    """
    cells = max_pool2d(mask.amax(0, keepdim=True), scale)[0]
    box = bounding_box(cells)
    return Rectangle(0, 0, *cells.shape) if box is None else padded(box, cells.shape, margin)


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
