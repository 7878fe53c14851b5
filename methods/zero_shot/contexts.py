"""What the model reads of a text: a context, and with SDXL a pooled output beside it.

SD1.5 and SD2 read a plain tensor [..., T, D]. SDXL also reads one vector for the whole text. The stages handle both
alike: whatever they do to rows (pick, join, repeat, stack) is done to context and pooled output.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor


@dataclass(frozen=True)
class PooledContext:
    """SDXL's context. It answers like a tensor [..., T, D] where stages ask for its rows, type or shape."""

    tokens: Tensor  # [..., T, D], both text models' outputs side by side
    pooled: Tensor  # [..., P], the same leading dimensions

    @property
    def shape(self) -> torch.Size:
        return self.tokens.shape

    @property
    def ndim(self) -> int:
        return self.tokens.ndim

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, index: Any) -> PooledContext:
        """The entries at an index into the leading dimensions."""
        return PooledContext(self.tokens[index], self.pooled[index])

    def to(self, *args: Any) -> PooledContext:
        return PooledContext(self.tokens.to(*args), self.pooled.to(*args))

    def detach(self) -> PooledContext:
        return PooledContext(self.tokens.detach(), self.pooled.detach())


Context: TypeAlias = Tensor | PooledContext


def each(function: Callable[..., Tensor], *contexts: Context) -> Context:
    """`function` of the contexts, and of their pooled outputs where they have them.

    Args:
        function: of as many tensors as there are contexts. It works on leading dimensions alone.
        contexts: all with a pooled output, or all without.
    """
    pooled = [context for context in contexts if isinstance(context, PooledContext)]
    if not pooled:
        return function(*contexts)
    return PooledContext(function(*(x.tokens for x in pooled)), function(*(x.pooled for x in pooled)))


def join_rows(contexts: Sequence[Context]) -> Context:
    """The rows of contexts [b,T,D] after one another."""
    return each(lambda *rows: torch.cat(rows), *contexts)


def rows_for(context: Context, latent: Tensor) -> Context:
    """A context [1 or B, T, D] as a row for each of the latents [B,C,h,w], in their type and on their device."""
    return each(lambda x: x.to(latent).expand(len(latent), *x.shape[1:]), context)


def tokens_of(context: Context) -> Tensor:
    """[..., T, D], what cross-attention reads."""
    return context.tokens if isinstance(context, PooledContext) else context


def with_tokens(context: Context, tokens: Tensor) -> Context:
    """`tokens` in place of the context's own; its pooled output, where it has one, stays."""
    return PooledContext(tokens, context.pooled) if isinstance(context, PooledContext) else tokens
