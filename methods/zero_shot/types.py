"""The values that cross stages. All are frozen; every tensor field states its shape.

Letters: N steps, B images, C latent channels, h and w the latent's sides, T tokens, D context width.
A context [..., T, D] of SDXL carries a pooled output beside it, see `contexts`.
Latents are in the host's model space, x / sqrt(alpha_bar), so a DDIM step is an Euler step in sigma.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from torch import Tensor

from ...attention.control import AttentionControl
from .contexts import Context


@dataclass(frozen=True)
class Trajectory:
    """A DDIM inversion's path, noisiest first: `latents[i]` is the latent at `sigmas[i]`."""

    latents: Tensor  # [N+1, B, C, h, w], model space
    sigmas: Tensor  # [N+1], descending, the last is 0

    def __post_init__(self) -> None:
        if self.latents.ndim != 5 or len(self.latents) != len(self.sigmas):
            raise ValueError(
                f"Trajectory needs latents [N+1,B,C,h,w] and N+1 sigmas, got {tuple(self.latents.shape)} "
                f"and {len(self.sigmas)} sigmas."
            )

    @property
    def steps(self) -> int:
        return len(self.sigmas) - 1

    @property
    def latent_shape(self) -> tuple[int, ...]:
        """(B, C, h, w)"""
        return tuple(self.latents.shape[1:])


@dataclass(frozen=True)
class RefinedEmbedding:
    """The contexts of the edit's rows, and of the row that the target's words come from, for each step (eq. 2-4)."""

    source: Context  # [N, B, T, D], the foreground's words
    target: Context  # [N, B, T, D], the background's words in the foreground's positions
    background: Context  # [N, B, T, D], the background's words in their own positions
    negative: Context  # [B, T, D], the empty prompt
    weights: Tensor  # [number of background condition tokens], softmax of the learned logits, sums to 1
    foreground_tokens: tuple[int, ...]  # positions of the foreground's condition tokens in the source row
    background_tokens: tuple[int, ...]  # positions of the background's condition tokens in the background row
    sigmas: Tensor  # [N+1], those of the trajectory it was refined on
    latent_shape: tuple[int, ...]  # (B, C, h, w)
    losses: tuple[float, ...] = field(default=())  # L_Emb at each optimizer step, before its update


@dataclass(frozen=True)
class NullText:
    """The per-step unconditional embedding (paper eq. 5-6) and the guidance it was optimized for."""

    embeddings: Context  # [N, B, T, D]
    guidance_scale: float
    sigmas: Tensor  # [N+1]
    latent_shape: tuple[int, ...]  # (B, C, h, w)
    losses: tuple[float, ...] = field(default=())  # at each optimizer step, before its update; the images' mean


class Denoiser(Protocol):
    """The model as the engine sees it: predicted noise at one noise level.

    latent [B,C,h,w] in model space; sigma a 0-dim tensor or float; context [B,T,D]; returns eps [B,C,h,w].
    `control`, when given, is consulted at every attention layer. Gradients flow to latent and context.
    """

    def __call__(
        self, latent: Tensor, sigma: Tensor | float, context: Context, control: AttentionControl | None = None
    ) -> Tensor: ...


@dataclass(frozen=True)
class Prompt:
    """A tokenized prompt: the ids the encoder takes and where each word's tokens stand."""

    text: str
    ids: tuple[int, ...]  # [T], padded to the encoder's window, as its first text model pads
    words: tuple[tuple[str, tuple[int, ...]], ...]  # (word, token positions), in order
    end: int  # position of the end-of-text token

    def positions(self, words: tuple[str, ...]) -> tuple[int, ...]:
        """Token positions of the prompt's last len(words) words: the conditions follow the object."""
        if not words:
            return ()
        return tuple(position for _, span in self.words[-len(words) :] for position in span)


class TextEncoder(Protocol):
    """A CLIP text encoder as the engine sees it; `encode` is differentiable in the token embeddings.

    Of two text models, as SDXL has them, the token embeddings stand side by side: E is the sum of both widths.
    """

    def tokenize(self, text: str) -> Prompt: ...

    def embed(self, prompt: Prompt) -> Tensor:
        """Input token embeddings [T, E] of a prompt, detached."""
        ...

    def encode(self, prompt: Prompt, embeddings: Tensor | None = None) -> Context:
        """Context [1, T, D]; `embeddings` [T, E], when given, stand in for the prompt's own."""
        ...

    def encode_rows(self, prompts: Sequence[Prompt], embeddings: Sequence[Tensor]) -> list[Context]:
        """Contexts [1, T, D] of several prompts and their embeddings, as `encode` gives them one by one."""
        ...
