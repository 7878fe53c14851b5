"""What an attention layer tells a control, and what a control gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from torch import Tensor

Attend = Callable[[Tensor, Tensor, Tensor], Tensor]
Kind = Literal["cross", "self"]
KINDS: tuple[Kind, ...] = ("self", "cross")


@dataclass(frozen=True)
class AttentionLayer:
    """One attention layer of the UNet."""

    kind: Kind
    place: Literal["input", "middle", "output"]  # the host's words for down, middle and up
    index: int  # running number of the transformer block within the UNet
    heads: int
    # Of a cross-attention layer: keys [B,Nk,heads*d] of any context [B,Nk,D], wherever the host can tell them.
    keys: Callable[[Tensor], Tensor] | None = field(default=None, compare=False, repr=False)


class AttentionControl(Protocol):
    """Called in place of a layer's attention. With an attribute `kinds`, only layers of these kinds need to ask.

    Args:
        layer: the layer that asks.
        q: [B,Nq,heads*d], already projected. The rows are those of the latent that the denoiser got.
        k: [B,Nk,heads*d], already projected.
        v: [B,Nk,heads*d], already projected.
        attend: the host's own attention.

    Returns:
        [B,Nq,heads*d]
    """

    def __call__(self, layer: AttentionLayer, q: Tensor, k: Tensor, v: Tensor, attend: Attend) -> Tensor: ...


def kinds_of(control: AttentionControl) -> tuple[Kind, ...]:
    """The kinds of layers that need to ask a control; all where it does not say."""
    return getattr(control, "kinds", KINDS)
