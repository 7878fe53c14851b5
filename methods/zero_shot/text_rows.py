"""The two text rows of an edit, and how they fuse into the target's context (paper eq. 3-4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ...core.errors import InputError
from ...core.types import ImagingDescription
from .contexts import Context
from .types import Prompt, TextEncoder

Side = Literal["foreground", "background"]


@dataclass(frozen=True)
class TextRow:
    """One side's prompt, its condition tokens and their embeddings before refinement."""

    prompt: Prompt
    tokens: tuple[int, ...]  # positions of the condition tokens
    embeddings: Tensor  # [T, E], the encoder's input, at least float32

    @property
    def conditions(self) -> Tensor:
        """Input embeddings of the condition tokens, [n, E]."""
        return self.embeddings[list(self.tokens)]

    def with_conditions(self, conditions: Tensor) -> Tensor:
        """The encoder's input [T, E] with `conditions` [n, E] in the condition tokens' places."""
        index = torch.tensor(self.tokens, device=self.embeddings.device)
        return self.embeddings.index_copy(0, index, conditions)

    def context(self, encoder: TextEncoder, conditions: Tensor) -> Context:
        """Context [1, T, D] with `conditions` [n, E] in the condition tokens' places."""
        return encoder.encode(self.prompt, self.with_conditions(conditions))


def row_contexts(encoder: TextEncoder, rows: Sequence[TextRow], conditions: Sequence[Tensor]) -> list[Context]:
    """Each row's `context` with its conditions, encoded together."""
    inputs = [row.with_conditions(tokens) for row, tokens in zip(rows, conditions, strict=True)]
    return encoder.encode_rows([row.prompt for row in rows], inputs)


def text_row(encoder: TextEncoder, description: ImagingDescription, side: Side) -> TextRow:
    """Tokenizes one side's prompt: the object first, then its conditions.

    Args:
        encoder: of the model.
        description: an object and the words of both sides.
        side: whose words the row has.

    Raises:
        InputError: when the side has no words, or the prompt does not fit the encoder's window.
    """
    words = description.foreground if side == "foreground" else description.background
    text = description.foreground_prompt if side == "foreground" else description.background_prompt
    if not words:
        raise InputError(
            "description",
            f"it has no {side} words ('{description}'). Give at least one word, such as 'bright', for foreground and "
            f"background.",
        )
    prompt = encoder.tokenize(text)
    parts = tuple(part for word in words for part in word.split())
    tokens = prompt.positions(parts)
    if not tokens or len(prompt.words) < len(parts) or max(tokens) >= prompt.end:
        raise InputError(
            "description", f"the {side} words do not fit the text encoder's window: '{text}'. Use fewer words."
        )
    embeddings = encoder.embed(prompt).detach()
    return TextRow(prompt, tokens, embeddings.to(torch.promote_types(embeddings.dtype, torch.float32)))


def fuse_target(
    source: Tensor,
    background: Tensor,
    weights: Tensor,
    foreground_tokens: Sequence[int],
    background_tokens: Sequence[int],
    foreground_end: int,
    background_end: int,
) -> Tensor:
    """The target's context: target_f = Σ_n α_n E_n for every foreground condition token f (paper eq. 4).

    Everything before the end-of-text token that is no condition stays the source's, so positions line up whatever
    the two word counts are. From its end-of-text token on, the target takes the background row's outputs from that
    row's own end-of-text token on: they carry the words too. Where the background row is too short, its last token
    is repeated.

    Args:
        source: [..., T, D], the text encoder's output for the foreground row.
        background: [..., T, D], that of the background row.
        weights: [number of background condition tokens], α, sums to 1.
        foreground_tokens: positions of the condition tokens in the foreground row.
        background_tokens: the same in the background row.
        foreground_end: position of the end-of-text token in the foreground row.
        background_end: the same in the background row.

    Returns:
        [..., T, D]

    Raises:
        InputError: when there is not one weight for each background token.
        ValueError: when the rows or positions do not fit each other.
    """
    length = source.shape[-2]
    if source.shape != background.shape:
        raise ValueError(
            f"The foreground's context is {tuple(source.shape)} and the background's {tuple(background.shape)}. "
            f"Shorten the description, so that both fit one window of the text encoder."
        )
    if len(weights) != len(background_tokens):
        raise InputError("weights", f"got {len(weights)} weights for {len(background_tokens)} background tokens.")
    if max(foreground_tokens) >= foreground_end or max(background_tokens) >= background_end:
        raise ValueError(
            f"The condition tokens {tuple(foreground_tokens)} and {tuple(background_tokens)} must stand before the "
            f"ends {foreground_end} and {background_end}."
        )
    fused = torch.einsum("n,...nd->...d", weights.to(background), background[..., list(background_tokens), :])
    target = source.clone()
    target[..., list(foreground_tokens), :] = fused.unsqueeze(-2)
    tail = [min(background_end + step, length - 1) for step in range(length - foreground_end)]
    target[..., foreground_end:, :] = background[..., tail, :]
    return target
