"""What an attention layer tells a control, and what a control gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from torch import Tensor

Attend = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class AttentionLayer:
    """One attention layer of the UNet."""

    kind: Literal["cross", "self"]
    place: Literal["input", "middle", "output"]  # the host's words for down, middle and up
    index: int  # running number of the transformer block within the UNet
    heads: int


class AttentionControl(Protocol):
    """Called in place of a layer's attention.

    q [B, Nq, heads*d], k and v [B, Nk, heads*d], already projected; `attend` is the host's own attention.
    Rows are those of the latent given to the denoiser. Returns [B, Nq, heads*d].
    """

    def __call__(self, layer: AttentionLayer, q: Tensor, k: Tensor, v: Tensor, attend: Attend) -> Tensor: ...
