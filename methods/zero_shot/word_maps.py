"""Where each word attends, before and after refinement (paper fig. 11)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...attention.maps import map_grid, record_maps
from ...core.errors import InputError
from ...core.types import Callback, ImagingDescription, silent
from .contexts import each, join_rows
from .paths import require_refined
from .text_rows import TextRow
from .types import Denoiser, RefinedEmbedding, TextEncoder, Trajectory
from .word_optimizer import text_rows


@dataclass(frozen=True)
class WordMaps:
    """The cross-attention maps of one row's words: the sum over each word's tokens, averaged over noise levels."""

    words: tuple[str, ...]  # the object's, then the conditions
    conditions: int  # how many of them, from the last, are conditions: what refinement works on
    before: Tensor  # [B, n, h, w], with the words' own embeddings
    after: Tensor  # [B, n, h, w], with the refined ones


@torch.no_grad()
def word_maps(
    denoise: Denoiser,
    encoder: TextEncoder,
    trajectory: Trajectory,
    description: ImagingDescription,
    refined: RefinedEmbedding,
    *,
    levels: int = 10,
    callback: Callback = silent,
) -> tuple[WordMaps, WordMaps]:
    """The foreground's and the background's word maps at a quarter of the latent's sides, as refinement sees them.

    Args:
        denoise: the model's predicted noise.
        encoder: of the model.
        trajectory: of B images; the maps are those at its inverted latents.
        description: the one that was refined.
        refined: the refined embedding.
        levels: noise levels to average over, spread evenly along the trajectory; all N where there are fewer.
        callback: called after each evaluation, twice for each noise level.

    Returns:
        The maps of the foreground's row and of the background's.

    Raises:
        InputError: when `refined` belongs to another trajectory or description, or no layer's maps fit.
    """
    require_refined(trajectory, refined)
    rows = text_rows(encoder, description)
    _require_words(rows, refined, description)
    grid, last_layer = map_grid(*trajectory.latent_shape[-2:]), None
    steps = torch.linspace(0, trajectory.steps - 1, min(levels, trajectory.steps)).round().long().tolist()
    found = []
    for row, after in zip(rows, (refined.source, refined.background), strict=True):
        before = each(lambda x, like: x.to(like).expand_as(like), encoder.encode(row.prompt), after[0])
        maps = []
        for step in steps:
            latent, sigma = trajectory.latents[step], trajectory.sigmas[step].to(trajectory.latents.device)
            pictures, contexts = torch.cat([latent, latent]), join_rows([before, after[step]])
            recorded, last_layer = record_maps(denoise, pictures, sigma, contexts.to(latent), grid, last_layer)
            maps.append(_by_word(recorded, row))
            callback(len(found) * len(steps) + len(maps), len(rows) * len(steps))
        found.append(_word_maps(row, torch.stack(maps).mean(0)))
    return found[0], found[1]


def _by_word(maps: Tensor, row: TextRow) -> Tensor:
    """Maps of tokens [B, T, h, w] -> of words [B, n, h, w]."""
    return torch.stack([maps[:, list(tokens)].sum(1) for _, tokens in row.prompt.words], 1)


def _word_maps(row: TextRow, maps: Tensor) -> WordMaps:
    conditions = sum(tokens[0] in row.tokens for _, tokens in row.prompt.words)
    before, after = maps.chunk(2)
    return WordMaps(tuple(word for word, _ in row.prompt.words), conditions, before, after)


def _require_words(rows: tuple[TextRow, TextRow], refined: RefinedEmbedding, description: ImagingDescription) -> None:
    expected = refined.foreground_tokens, refined.background_tokens
    if tuple(row.tokens for row in rows) != expected:
        raise InputError(
            "refined",
            f"it was made from other words than those of the description ('{description}'). Use the description that "
            f"was refined.",
        )
