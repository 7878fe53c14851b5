"""One zero-shot pass in the order of work of the method's authors, plain: what the pack is measured against.

The order, not the code: N - 1 evaluations of 2 rows to invert; for each timestep two optimizer steps on 4 rows and one
more evaluation of 4 to refine; both rows and a decoded picture in each null-text step, and both rows once more to go
on; 4 rows a step to edit. Every attention layer computes its maps, as code does that looks at them.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from math import sqrt
from typing import Any

import torch
from torch import Tensor

from ..attention.control import Attend, AttentionLayer
from ..attention.maps import Grid, map_grid
from ..core.masks import binarize_mask, mask_on_grid
from ..core.types import ImagingDescription
from ..host.image import encode
from ..host.sampling.denoiser import to_latent_out, with_denoiser
from ..host.sampling.gradients import engine_boundary, owned, private_copy
from ..host.sampling.model import sigmas_for
from ..host.sampling.text import ClipEncoder
from ..host.sampling.vae import DifferentiableDecoder
from ..host.zero_shot.edit import Models
from ..methods.zero_shot.contexts import Context, each, join_rows, tokens_of, with_tokens
from ..methods.zero_shot.embedding_loss import embedding_loss
from ..methods.zero_shot.inversion import ddim_step
from ..methods.zero_shot.null_text import NullTextSettings
from ..methods.zero_shot.refinement import RefinementSettings
from ..methods.zero_shot.structure.edges import EdgeLoss
from ..methods.zero_shot.structure.sobel import sobel_edges
from ..methods.zero_shot.text_rows import TextRow
from ..methods.zero_shot.types import Denoiser
from ..methods.zero_shot.word_optimizer import fused_contexts, text_rows

Mark = Callable[[str], AbstractContextManager]  # entered around each stage, with its name
GUIDANCE = 2.5
REFINEMENT, NULL_TEXT = RefinementSettings(), NullTextSettings()


class Maps:
    """Attention by its maps: kept where they are on the grid, and those of the targets replaced in an edit."""

    def __init__(self, grid: Grid | None = None, replaced: tuple[int, int] | None = None) -> None:
        self.grid, self.replaced, self.kept = grid, replaced, []

    def __call__(self, layer: AttentionLayer, q: Tensor, k: Tensor, v: Tensor, attend: Attend) -> Tensor:
        q, k, v = (x.unflatten(-1, (layer.heads, -1)).transpose(1, 2) for x in (q, k, v))
        maps = (q @ k.transpose(-1, -2) / sqrt(q.shape[-1])).softmax(-1)
        if self.replaced:
            source, target = self.replaced
            maps = torch.cat([maps[:target], maps[source : source + 1], maps[target + 1 :]])
        on_side = layer.kind == "cross" and layer.place != "middle"
        if self.grid and on_side and q.shape[2] == self.grid[0] * self.grid[1]:
            self.kept.append(maps.mean(1))
        return (maps @ v).transpose(1, 2).flatten(2)

    def mean(self) -> Tensor:
        """[B, T, h, w], over the layers on the grid."""
        assert self.grid is not None
        return torch.stack(self.kept).mean(0).transpose(1, 2).unflatten(-1, self.grid)


def reference_pass(
    models: Models, image: Tensor, mask: Tensor, description: ImagingDescription, steps: int, mark: Mark
) -> Tensor:
    """A pass with Sobel edges.

    Args:
        models: MODEL, CLIP and VAE of one checkpoint.
        image: [1, S, S, 3], sRGB in 0-1.
        mask: [1, S, S], 1 on the foreground.
        description: the words of both sides.
        steps: N.
        mark: see `Mark`.

    Returns:
        The edited LATENT samples [1, C, h, w].
    """
    encoder, sigmas = ClipEncoder(models.clip), sigmas_for(models.model, steps)
    with torch.inference_mode():
        start = encode(models.vae, image)
        empty = encoder.encode(encoder.tokenize(""))
        plain = encoder.encode(encoder.tokenize(description.foreground_prompt))
    with engine_boundary():
        image, mask, start = owned(image), owned(mask), owned(start)
        empty, plain = owned(empty), owned(plain)

        plain_model = models.model.clone()
        # Where another node's option stands, the pack leaves the host's evaluations alone: rows share no work.
        plain_model.model_options["transformer_options"]["reference"] = True

        def stage(run: Callable[[Denoiser, Tensor], Any], gradients: bool = True) -> Any:
            return with_denoiser(plain_model, start, run, sigmas, gradients=gradients)

        rows = text_rows(encoder, description)
        with mark("invert"):
            path = stage(lambda denoise, z: _invert(denoise, z, sigmas, empty, plain), gradients=False)
        with mark("refine"), encoder.gradients():
            contexts = stage(lambda denoise, _: _refine(denoise, encoder, path, sigmas, rows, empty, mask))
        with mark("null-text"), private_copy(models.vae.patcher) as patcher:
            decode, model = DifferentiableDecoder(models.vae, plain_model, patcher), plain_model.clone()
            model.set_additional_models("reference", [patcher])
            loss = EdgeLoss(image.movedim(-1, 1), binarize_mask(mask).float(), [(sobel_edges, 1.0)])
            nulls = with_denoiser(
                model,
                start,
                lambda denoise, _: _null_text(denoise, path, sigmas, contexts, empty, lambda z: loss(decode(z))),
                sigmas,
                gradients=True,
            )
        with mark("edit"):
            edited = stage(lambda denoise, _: _edit(denoise, path, sigmas, contexts, nulls), gradients=False)
        return to_latent_out(models.model, edited)


def _guided(eps: Tensor) -> Tensor:
    """Rows (unconditional..., conditional...) to half as many."""
    empty, text = eps.chunk(2)
    return empty + GUIDANCE * (text - empty)


def _invert(denoise: Denoiser, latent: Tensor, sigmas: Tensor, empty: Context, source: Context) -> Tensor:
    """[N, 1, C, h, w], noisiest first."""
    path = [latent]
    for low, high in zip(sigmas[1:-1].flip(0), sigmas[:-2].flip(0), strict=True):
        scaled = path[-1] * ((1 + high**2) / (1 + low**2)).sqrt()
        eps = denoise(torch.cat([scaled] * 2), high, join_rows([empty, source]), Maps())
        path.append(ddim_step(path[-1], eps[:1] + 0 * (eps[1:] - eps[:1]), low, high))
    return torch.stack(path[::-1])


def _refine(
    denoise: Denoiser,
    encoder: ClipEncoder,
    path: Tensor,
    sigmas: Tensor,
    rows: tuple[TextRow, TextRow],
    empty: Context,
    mask: Tensor,
) -> Context:
    """[N-1, 2, T, D]: the source's and the target's contexts."""
    grid = map_grid(*path.shape[-2:])
    share = mask_on_grid(binarize_mask(mask), grid)
    words = [row.conditions.clone().requires_grad_() for row in rows]
    logits = torch.zeros(len(words[1]), requires_grad=True)
    groups = [
        {"params": words, "lr": REFINEMENT.learning_rate},
        {"params": [logits], "lr": REFINEMENT.weight_learning_rate},
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=REFINEMENT.weight_decay)
    latents, found = path[0].repeat(2, 1, 1, 1), []
    for step in range(len(path) - 1):
        for _ in range(REFINEMENT.steps_per_timestep):
            optimizer.zero_grad()
            texts = [row.context(encoder, tokens) for row, tokens in zip(rows, words, strict=True)]
            control = Maps(grid)
            denoise(torch.cat([latents] * 2), sigmas[step], join_rows([empty, empty, *texts]), control)
            weights = torch.ones(len(words[0])), logits.softmax(0)
            losses = [
                embedding_loss(
                    maps[None, list(row.tokens)],
                    alpha,
                    where,
                    tokens,
                    row.conditions,
                    REFINEMENT.regularization_weight,
                )
                for row, maps, alpha, where, tokens in zip(
                    rows, control.mean()[2:], weights, (share, 1 - share), words, strict=True
                )
            ]
            (losses[0] + losses[1]).backward()
            optimizer.step()
        with torch.no_grad():
            source, other = (row.context(encoder, tokens) for row, tokens in zip(rows, words, strict=True))
            _, target, _ = fused_contexts(rows, source, other, logits.softmax(0))
            found.append(join_rows([source, target]))
            eps = denoise(torch.cat([latents] * 2), sigmas[step], join_rows([empty, empty, source, other]), Maps())
            latents = ddim_step(latents, _guided(eps), sigmas[step], sigmas[step + 1])
    return each(lambda *steps: torch.stack(steps), *found)


def _null_text(
    denoise: Denoiser,
    path: Tensor,
    sigmas: Tensor,
    contexts: Context,
    empty: Context,
    edges: Callable[[Tensor], Tensor],
) -> Context:
    """[N-1, 1, T, D]"""
    null = tokens_of(empty).clone().requires_grad_()
    optimizer = torch.optim.AdamW([null], lr=NULL_TEXT.learning_rate, weight_decay=NULL_TEXT.weight_decay)
    latent, found = path[0], []
    for step in range(len(path) - 1):
        sigma, following = sigmas[step : step + 2]
        root = (1 + following**2).rsqrt()
        rows = with_tokens(empty, null), contexts[step, :1]
        landed = partial(_guided_step, denoise, latent, *rows, sigma, following)
        for _ in range(NULL_TEXT.inner(step)):
            optimizer.zero_grad()
            z = landed() * root
            loss = NULL_TEXT.latent_weight * (z - path[step + 1] * root).square().mean() + edges(z).sum()
            loss.backward()
            optimizer.step()
        found.append(with_tokens(empty, null.detach().clone()))
        with torch.no_grad():
            latent = landed()
    return each(lambda *steps: torch.stack(steps), *found)


def _guided_step(
    denoise: Denoiser, latent: Tensor, null: Context, source: Context, sigma: Tensor, following: Tensor
) -> Tensor:
    """Where a guided step from a latent lands."""
    eps = denoise(torch.cat([latent] * 2), sigma, join_rows([null, source]), Maps())
    return ddim_step(latent, _guided(eps), sigma, following)


def _edit(denoise: Denoiser, path: Tensor, sigmas: Tensor, contexts: Context, nulls: Context) -> Tensor:
    """[1, C, h, w]"""
    latents = path[0].repeat(2, 1, 1, 1)
    for step in range(len(path) - 1):
        texts = join_rows([nulls[step], nulls[step], contexts[step]])
        eps = denoise(torch.cat([latents] * 2), sigmas[step], texts, Maps(replaced=(2, 3)))
        latents = ddim_step(latents, _guided(eps), sigmas[step], sigmas[step + 1])
    return latents[1:]
