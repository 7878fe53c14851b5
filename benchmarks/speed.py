"""Work that the method's reference does and its result does not need: equality and ratio of times, in one run."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from comfy.ldm.modules import attention as host_attention
from rich.table import Table
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.nn.functional import scaled_dot_product_attention

from ..attention.control import AttentionLayer
from ..attention.maps import map_grid, record_maps, record_queries
from ..attention.sharing import ShareAttention
from ..host.sampling.denoiser import with_denoiser
from ..host.sampling.gradients import engine_boundary
from ..host.sampling.text import ClipEncoder
from ..methods.zero_shot.contexts import tokens_of
from ..methods.zero_shot.types import Denoiser
from ..mini.loader import load_mini


@dataclass(frozen=True)
class Comparison:
    """Two ways to one result."""

    name: str
    difference: float  # largest absolute difference of the results
    seconds: float
    reference_seconds: float


def fastest(work: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats + 1):  # the first warms up
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times[1:])


def compare(name: str, ours: Callable[[], Tensor], reference: Callable[[], Tensor], repeats: int) -> Comparison:
    difference = (ours() - reference()).abs().max().item()
    return Comparison(name, difference, fastest(ours, repeats), fastest(reference, repeats))


def guidance_free(denoise: Denoiser, latent: Tensor, context: Tensor, repeats: int) -> Comparison:
    """Inversion at guidance 0: the unconditional branch alone, against both branches."""

    def both() -> Tensor:
        empty, text = denoise(torch.cat([latent, latent]), 1.0, torch.cat([context[:1], context[1:2]])).chunk(2)
        return empty + 0 * (text - empty)

    return compare("inversion: 1 row, not 2", lambda: denoise(latent, 1.0, context[:1]), both, repeats)


def early_stop(denoise: Denoiser, latent: Tensor, context: Tensor, repeats: int) -> Comparison:
    """Refinement: the UNet up to the last layer with maps, forward and backward, against all of it."""
    grid = map_grid(*latent.shape[-2:])
    pair = torch.cat([latent, latent])
    last = record_maps(denoise, pair, 1.0, context[1:], grid)[1]

    def gradient(last_layer: int | None) -> Tensor:
        text = context[1:].clone().requires_grad_()
        maps, _ = record_maps(denoise, pair, 1.0, text, grid, last_layer)
        return torch.autograd.grad(maps.square().sum(), text)[0]

    return compare("refinement step: up to the last map", lambda: gradient(last), lambda: gradient(None), repeats)


def cached_queries(denoise: Denoiser, latent: Tensor, context: Tensor, repeats: int) -> Comparison:
    """Two optimizer steps of the refinement at a timestep: both from one evaluation's queries, against one each.

    Not equal: the gradients leave out what the words change in the queries. The difference is that of the maps after a
    step of 0.01 along the first gradient.
    """
    grid = map_grid(*latent.shape[-2:])
    pair = torch.cat([latent, latent])
    last = record_maps(denoise, pair, 1.0, context[1:], grid)[1]

    def two_steps(maps_of: Callable[[Tensor], Tensor]) -> Tensor:
        text = context[1:].clone()
        for _ in range(2):
            text.requires_grad_()
            gradient = torch.autograd.grad(maps_of(text).square().sum(), text)[0]
            text = (text - 0.01 * gradient / gradient.norm()).detach()
        return record_maps(denoise, pair, 1.0, text, grid, last)[0]

    def cached() -> Tensor:
        queries, _ = record_queries(denoise, pair, 1.0, context[1:], grid, last)
        return two_steps(queries.maps)

    return compare(
        "refinement, two steps: cached queries (`fast`)",
        cached,
        lambda: two_steps(lambda text: record_maps(denoise, pair, 1.0, text, grid, last)[0]),
        repeats,
    )


def saved_copies(
    denoise: Denoiser,
    latent: Tensor,
    encode: Callable[[Tensor], Tensor],
    kept: Callable[[Tensor], Tensor],
    words: Tensor,
    repeats: int,
) -> Comparison:
    """Refinement: autograd copies what the text encoder may alter, against watching every operation for that."""
    grid = map_grid(*latent.shape[-2:])

    def gradient(encoder: Callable[[Tensor], Tensor]) -> Tensor:
        tokens = words.clone().requires_grad_()
        maps, _ = record_maps(denoise, latent, 1.0, encoder(tokens), grid)
        return torch.autograd.grad(maps.square().sum(), tokens)[0]

    def watched() -> Tensor:
        with torch.autograd.graph.allow_mutation_on_saved_tensors():
            return gradient(encode)

    return compare("refinement step: copies, no watching", lambda: gradient(kept), watched, repeats)


def joined_embeddings(
    encode: Callable[[Tensor], Tensor], joined: Callable[[Tensor], Tensor], words: Tensor, repeats: int
) -> Comparison:
    """Text, forward and backward: a prompt's embeddings handed over in one piece, against one by one."""

    def gradient(encoder: Callable[[Tensor], Tensor]) -> Tensor:
        tokens = words.clone().requires_grad_()
        return torch.autograd.grad(encoder(tokens).square().sum(), tokens)[0]

    return compare("text: embeddings in one piece", lambda: gradient(joined), lambda: gradient(encode), repeats)


def source_row(denoise: Denoiser, latent: Tensor, context: Tensor, repeats: int) -> Comparison:
    """Guided edit: 3 rows a step, with the source on its trajectory, against the usual 4."""
    empty, source, target = context.split(1)

    def rows(texts: list[Tensor], conditional: tuple[int, int]) -> Tensor:
        share = ShareAttention([conditional[0]], [conditional[1]], cross=True, self_=True)
        return denoise(latent.expand(len(texts), -1, -1, -1), 1.0, torch.cat(texts), share)[-1]

    return compare(
        "edit step: 3 rows, not 4",
        lambda: rows([empty, source, target], (1, 2)),
        lambda: rows([empty, empty, source, target], (2, 3)),
        repeats,
    )


def swapped_queries(repeats: int) -> Comparison:
    """Attention replacement at SD2's largest layer (64x64, 5 heads of 64): swapped q and k against explicit maps."""
    heads, width, tokens = 5, 64, 4096
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, tokens, heads * width, generator=generator) for _ in range(3))
    layer = AttentionLayer("self", "input", 0, heads)

    def split(x: Tensor) -> Tensor:
        return x.unflatten(-1, (heads, width)).transpose(1, 2)

    def join(x: Tensor) -> Tensor:
        return x.transpose(1, 2).flatten(2)

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return join(scaled_dot_product_attention(split(q), split(k), split(v)))

    def explicit() -> Tensor:
        maps = (split(q) @ split(k).transpose(-1, -2) / width**0.5).softmax(-1)
        maps[1] = maps[0]
        return join(maps @ split(v))

    share = ShareAttention([0], [1], cross=True, self_=True)
    return compare(
        "attention of 4096 tokens: q/k swap, no maps", lambda: share(layer, q, k, v, attend), explicit, repeats
    )


def cpu_kernel(repeats: int) -> Comparison:
    """Attention on a CPU at SD2's largest layer: PyTorch's kernel against the one that the host takes there."""
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(1, 4096, 5 * 64, generator=generator) for _ in range(3))
    return compare(
        "attention of 4096 tokens on a CPU: PyTorch's kernel",
        lambda: host_attention.attention_pytorch(q, k, v, 5),
        lambda: host_attention.attention_sub_quad(q, k, v, 5),
        repeats,
    )


def comparisons(repeats: int) -> list[Comparison]:
    """On the embedded model, at its own size."""
    model, clip, _ = load_mini()
    encoder = ClipEncoder(clip)
    context = torch.cat(
        [tokens_of(encoder.encode(encoder.tokenize(text))) for text in ("", "tree dark cold", "tree sunny warm")]
    ).detach()
    latent = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    sigmas = torch.tensor([1.0, 0.0])
    found = []
    for measured, gradients in (
        (guidance_free, False),
        (early_stop, True),
        (cached_queries, True),
        (source_row, False),
    ):
        with engine_boundary():
            found.append(
                with_denoiser(
                    model,
                    latent,
                    lambda denoise, z, measured=measured: measured(denoise, z, context, repeats),
                    sigmas,
                    gradients=gradients,
                )
            )
    prompt = encoder.tokenize("tree dark cold")
    words = encoder.embed(prompt)

    def encode(tokens: Tensor) -> Any:  # as the host does it
        return encoder.clip.encode_from_tokens({encoder.keys[0]: [[(token, 1.0) for token in tokens]]})

    def joined(tokens: Tensor) -> Tensor:
        return tokens_of(encoder.encode(prompt, tokens))

    def one_by_one(tokens: Tensor) -> Tensor:
        with saved_tensors_hooks(torch.clone, lambda kept: kept):  # the host adds in place
            return encode(tokens)

    def stage(denoise: Denoiser, z: Tensor) -> Comparison:
        return saved_copies(denoise, z, encode, joined, words, repeats)

    with encoder.gradients():
        found.insert(3, with_denoiser(model, latent, stage, sigmas, gradients=True))
        found.insert(4, joined_embeddings(one_by_one, joined, words, repeats))
    return [*found, swapped_queries(repeats), cpu_kernel(repeats)]


def table(repeats: int) -> Table:
    drawn = Table("saved work", "largest difference", "ms", "ms with it", "ratio", title="Speed")
    for c in comparisons(repeats):
        ratio = c.seconds / c.reference_seconds
        drawn.add_row(
            c.name,
            f"{c.difference:.1e}",
            f"{1000 * c.seconds:.1f}",
            f"{1000 * c.reference_seconds:.1f}",
            f"{ratio:.2f}x",
        )
    return drawn
