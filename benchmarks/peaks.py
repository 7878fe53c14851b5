"""The memory that a stage's backward pass needs at full size, estimated on the meta device.

Counted is what lies on the card when a backward pass begins: the weights, and every tensor that autograd keeps, each
storage once. The operation at work comes on top: some tenths of a GiB. Weights are float16, as checkpoints are shipped,
and computed in float32; attention is the kernel that a GPU takes in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any

import torch
from rich.table import Table
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from ..attention.maps import CrossAttentionMaps, StopForward, map_grid, record_queries
from ..core.view import Rectangle
from ..host.sampling.saved import Cast, casts
from ..host.sampling.vae import recomputed_blocks
from ..host.zero_shot.null_text import decoded_part
from .flops import MetaUNet, encode
from .passes import object_mask
from .shapes import SHAPES, TOKENS, Shape, Size, fused_attention, meta_texts, meta_unet, meta_vae

GIB = 1 << 30


@dataclass(frozen=True)
class Peak:
    """A stage's bytes at the beginning of a backward pass."""

    stage: str
    weights: int
    kept: int  # for the backward pass, on the card
    moved: int = 0  # of the same, on the CPU where the card has no room

    @property
    def total(self) -> int:
        return self.weights + self.kept


def weight_bytes(network: nn.Module, size: int = 2) -> int:
    """Bytes of a network's weights of `size` bytes each."""
    return sum(weight.numel() for weight in network.parameters()) * size


class Kept:
    """The storages that autograd keeps, apart from weights."""

    def __init__(self, network: nn.Module, spare: bool, copies: bool = False) -> None:
        self.weights = {weight.untyped_storage()._cdata for weight in network.parameters()}
        self.spare, self.copies = spare, copies
        self.held: list[Tensor] = []  # so that no address serves twice
        self.sizes: dict[int, int] = {}

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Counts inside."""
        with casts() if self.spare else nullcontext(lambda _: None) as cast_of, self._hooks(cast_of):
            yield

    def _hooks(self, cast_of: Callable[[Tensor], Cast | None]) -> Any:
        def pack(kept: Tensor) -> Tensor:
            storage = kept.untyped_storage()
            if storage._cdata not in self.weights and cast_of(kept) is None:
                kept = kept.clone() if self.copies else kept
                self.held.append(kept)
                self.sizes[kept.untyped_storage()._cdata] = kept.untyped_storage().nbytes()
            return kept

        return saved_tensors_hooks(pack, lambda kept: kept)

    @property
    def bytes(self) -> int:
        return sum(self.sizes.values())


def unet_kept(shape: Shape, rows: int, to_last_map: bool, spare: bool) -> int:
    """Of an evaluation of so many rows whose context is differentiated."""
    network = meta_unet(shape, torch.float16)
    unet = MetaUNet(network, fused_attention)
    with torch.device("meta"):
        latent = torch.empty(rows, 4, shape.latent, shape.latent)
        context = torch.empty(rows, TOKENS, shape.unet["context_dim"], requires_grad=True)
    grid = map_grid(*latent.shape[-2:])
    last = record_queries(unet, latent, 1.0, context, grid)[1]
    kept = Kept(network, spare)
    control = CrossAttentionMaps(grid, last) if to_last_map else None
    with kept.counted(), suppress(StopForward):
        unet(latent, 1.0, context, control)
    if control is not None:
        with kept.counted():
            control.maps()
    return kept.bytes


def text_kept(shape: Shape, rows: int, dtype: torch.dtype) -> int:
    """Of so many rows, one after the other; what the encoder may alter is copied."""
    total = 0
    for name, network in meta_texts(shape, dtype).items():
        for _ in range(rows):
            kept = Kept(network, spare=False, copies=True)
            with kept.counted():
                encode(shape, name, network)
            total += kept.bytes
    return total


def decoder_kept(shape: Shape, fused: bool, part: Rectangle | None = None) -> int:
    """Of one picture's decoding, or of a part's."""
    vae: Any = meta_vae(shape, fused)
    sides = (part.height, part.width) if part else (shape.latent, shape.latent)
    latent = torch.empty(1, 4, *sides, device="meta", requires_grad=True)
    kept = Kept(vae, spare=False)
    with kept.counted():
        vae.decode(latent)
    return kept.bytes


def decoder_recomputed(shape: Shape, fused: bool) -> tuple[int, int]:
    """Of one picture's decoding where blocks compute again: what all of them keep, and what one needs at its turn."""
    vae: Any = meta_vae(shape, fused)
    latent = torch.empty(1, 4, shape.latent, shape.latent, device="meta", requires_grad=True)
    inputs, inside = Kept(vae, spare=False), []
    for block in recomputed_blocks(vae):
        _as_checkpoint(block, vae, inputs, inside)
    with inputs.counted():
        vae.decode(latent)
    return inputs.bytes, max(inside)


def _as_checkpoint(block: Any, vae: nn.Module, inputs: Kept, inside: list[int]) -> None:
    forward = block.forward

    def checkpointed(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        inputs.held.append(x)
        inputs.sizes[x.untyped_storage()._cdata] = x.untyped_storage().nbytes()
        own = Kept(vae, spare=False)
        with own.counted():
            out = forward(x, *args, **kwargs)
        inside.append(own.bytes)
        return out

    block.forward = checkpointed


def before(shape: Shape) -> list[Peak]:
    """As the pack was: see docs/figures.md."""
    unet, text = weight_bytes(meta_unet(shape)), weight_bytes(meta_texts(shape))
    vae = weight_bytes(meta_vae(shape, fused=False), 4)
    words = text_kept(shape, 2, torch.float16)
    null = unet_kept(shape, 1, to_last_map=False, spare=False)
    return [
        Peak("refine, first evaluation", unet + text, words + unet_kept(shape, 2, to_last_map=False, spare=False)),
        Peak("refine, later", unet + text, words + unet_kept(shape, 2, to_last_map=True, spare=False)),
        Peak("null-text, no edges", unet, null),
        Peak("null-text, edges", unet + vae, null + decoder_kept(shape, fused=False)),
        Peak("null-text, edges, VAE computed again", unet + vae, null + sum(decoder_recomputed(shape, fused=False))),
    ]


def after(shape: Shape) -> list[Peak]:
    """As the pack is: casts of weights made again, one text encoder in float32, no gradients above the last map."""
    unet, vae = weight_bytes(meta_unet(shape)), weight_bytes(meta_vae(shape, fused=True), 4)
    text = weight_bytes(meta_texts(shape), 4)
    words, maps = text_kept(shape, 2, torch.float32), unet_kept(shape, 2, to_last_map=True, spare=True)
    null = unet_kept(shape, 1, to_last_map=False, spare=True)
    inputs, block = decoder_recomputed(shape, fused=True)
    part = decoded_part(object_mask(shape), 8)
    return [
        Peak("refine, first evaluation", unet + text, words + maps),
        Peak("refine, later", unet + text, words + maps),
        Peak("refine, activations on the CPU", unet + text, words, moved=maps),
        Peak("null-text, no edges", unet, null),
        Peak("null-text, no edges, activations on the CPU", unet, 0, moved=null),
        Peak("null-text, edges", unet + vae, null + decoder_kept(shape, fused=True)),
        Peak("null-text, fast edges", unet + vae, null + decoder_kept(shape, fused=True, part=part)),
        Peak("null-text, edges, VAE computed again", unet + vae, null + inputs + block),
        Peak("null-text, edges, both", unet + vae, block, moved=null + inputs),
    ]


def table(size: Size) -> Table:
    """Before and after, GiB."""
    shape = SHAPES[size]
    drawn = Table(
        "stage",
        "before: weights",
        "kept",
        "sum",
        "now: weights",
        "kept",
        "sum",
        title=f"GiB when a backward pass begins, {shape.name}, float16 weights",
    )
    old = {peak.stage: peak for peak in before(shape)}
    for peak in after(shape):
        earlier = old.get(peak.stage)
        cells = (f"{x / GIB:.2f}" for x in (earlier.weights, earlier.kept, earlier.total)) if earlier else ("", "", "")
        drawn.add_row(peak.stage, *cells, *(f"{x / GIB:.2f}" for x in (peak.weights, peak.kept, peak.total)))
    return drawn
