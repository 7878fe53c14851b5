"""FLOPs of a pass: rows as counted, times the FLOPs of a row at full size.

A row's FLOPs are those that PyTorch's counter sees on the host's classes on the meta device, which has shapes and no
numbers. Attention counts as two matrix products forward and four backward, whether or not a kernel fuses them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import torch
from rich.table import Table
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from ..attention.maps import CrossAttentionMaps, StopForward, map_grid, record_queries
from ..host.sampling.attention import ControlledAttention
from ..host.sampling.shared_rows import before_the_text
from ..host.zero_shot.null_text import decoded_part
from .counting import Network, Part, Rows, Run, count_rows
from .passes import STAGES, WAYS, Way, object_mask
from .shapes import (
    SHAPES,
    TOKENS,
    Shape,
    Size,
    attention_override,
    explicit_attention,
    meta_texts,
    meta_unet,
    meta_vae,
    narrow,
    random_models,
    shallow,
)

COUNTED_AT = {"channels": 32, "width": 64, "latent": 16}  # the narrow model whose rows are counted


@dataclass(frozen=True)
class Cost:
    """FLOPs of a row through a part of a network."""

    forward: dict[tuple[Network, Part], int]
    backward: dict[tuple[Network, Part], int]
    shared: dict[Network, int] = field(default_factory=dict)  # of a UNet row forward, what rows may share

    def of(self, run: Run) -> int:
        """FLOPs of a row of this run."""
        return self.forward[run.network, run.forward] + self.backward[run.network, run.backward]


class MetaUNet:
    """A `Denoiser` on the meta device, for its work alone."""

    def __init__(self, unet: nn.Module, attention: Callable[..., Tensor]) -> None:
        self.unet = unet
        self.controlled = ControlledAttention(unet, attention_override(attention), gradients=True)

    def __call__(self, latent: Tensor, sigma: float, context: Tensor, control=None) -> Tensor:
        self.controlled.control = control or (lambda layer, q, k, v, attend: attend(q, k, v))
        timesteps = torch.empty(len(latent), device="meta")
        options = self.controlled.options["transformer_options"]
        return self.unet(latent, timesteps, context, pooled_of(self.unet, latent), transformer_options=options)


def pooled_of(unet: Any, latent: Tensor) -> Tensor | None:
    """What SDXL's UNet reads of pooled text and sizes, for each of the latents; None for the others' UNets."""
    if unet.num_classes is None:
        return None
    return torch.empty(len(latent), unet.label_emb[0][0].in_features, device=latent.device)


def costs(shape: Shape) -> Cost:
    """FLOPs of a row of each network of a shape."""
    with torch.device("meta"):
        latent = torch.empty(1, 4, shape.latent, shape.latent)
        context = torch.empty(1, TOKENS, shape.unet["context_dim"], requires_grad=True)
        step = torch.empty_like(latent, requires_grad=True)
    part = decoded_part(object_mask(shape), 8).of(step).detach().requires_grad_()
    unet, texts = MetaUNet(meta_unet(shape), explicit_attention), meta_texts(shape)
    plain_vae: Any = meta_vae(shape, fused=False)
    fused_vae: Any = meta_vae(shape, fused=True)
    grid = map_grid(*latent.shape[-2:])
    last = record_queries(unet, latent, 1.0, context, grid)[1]

    def maps() -> Tensor:
        control = CrossAttentionMaps(grid, last)
        with suppress(StopForward):
            unet(latent, 1.0, context, control)
        return control.maps()

    def encoded() -> Tensor:
        with saved_tensors_hooks(torch.clone, lambda kept: kept):  # they add in place
            return torch.cat([encode(shape, name, text) for name, text in texts.items()])

    runs: dict[tuple[Network, Part], Callable[[], Tensor]] = {
        ("unet", "whole"): lambda: unet(latent, 1.0, context),
        ("unet", "to the last map"): maps,
        ("text", "whole"): encoded,
        ("decoder", "whole"): lambda: plain_vae.decode(step),
        ("fused decoder", "whole"): lambda: fused_vae.decode(step),
        ("cropped decoder", "whole"): lambda: fused_vae.decode(part),
    }
    forward: dict[tuple[Network, Part], int] = {}
    backward: dict[tuple[Network, Part], int] = {(network, "none"): 0 for network, _ in runs}
    for key, run in runs.items():
        with FlopCounterMode(display=False) as counter:
            out = run()
        with FlopCounterMode(display=False) as both:
            out.sum().backward()
        forward[key], backward[key] = counter.get_total_flops(), both.get_total_flops()
    return Cost(forward, backward, _shared_costs(unet, latent, context))


def encode(shape: Shape, name: str, text: nn.Module) -> Tensor:
    """What one of the shape's text models gives to the UNet of a row, flat; with gradients to its embeddings."""
    width = shape.texts[name]["hidden_size"]
    embeddings = torch.empty(1, TOKENS, width, device="meta", requires_grad=True)
    # The layer that the context is taken from: the last but one, for all but SD1.
    layer = None if shape.first else -2
    out, hidden, pooled, *_ = text(embeds=embeddings, num_tokens=[TOKENS], intermediate_output=layer)
    given = [out if shape.first else hidden, *([pooled] if name == "g" else [])]
    return torch.cat([x.flatten() for x in given])


def _shared_costs(unet: MetaUNet, latent: Tensor, context: Tensor) -> dict[Network, int]:
    with FlopCounterMode(display=False) as counter:
        options = attention_override(explicit_attention)["transformer_options"]
        timesteps, pooled = torch.empty(1, device="meta"), pooled_of(unet.unet, latent)
        unet.unet(latent, timesteps, context, pooled, transformer_options=options)
    names = {module: f"{type(unet.unet).__name__}.{name}" for name, module in unet.unet.named_modules()}
    counts = counter.get_flop_counts()
    *blocks, attention = (sum(counts[names[module]].values()) for module in before_the_text(unet.unet))
    return {"first blocks": sum(blocks), "first attention": attention}


def stage_flops(rows: Rows, cost: Cost) -> dict[str, int]:
    """FLOPs of each stage: of its rows, less what they share."""
    return {stage: _flops(runs, cost) for stage, runs in rows.items()}


def _flops(runs: dict[Run, int], cost: Cost) -> int:
    counted: Counter[str] = Counter()
    for run, n in runs.items():
        counted[run.network] += n
    spared = sum((counted["unet"] - counted[part]) * flops for part, flops in cost.shared.items())
    return sum(n * cost.of(run) for run, n in runs.items() if run.network not in cost.shared) - spared


def measure(size: Size, ways: Sequence[Way] = WAYS) -> dict[str, Rows]:
    """Rows of each way, on a narrow model of the size's layers."""
    shape = shallow(narrow(SHAPES[size], **COUNTED_AT))  # how deep the texts are changes no count
    models = random_models(shape)
    return {way.name: count_rows(way, models, shape) for way in ways}


def row_table(size: Size, cost: Cost) -> Table:
    """TFLOP of a row."""
    drawn = Table("a row of", "forward", "backward", title=f"TFLOP, {SHAPES[size].name}")
    for (network, part), flops in cost.forward.items():
        name = network if part == "whole" else f"{network} {part}"
        drawn.add_row(name, f"{flops / 1e12:.3f}", f"{cost.backward[network, part] / 1e12:.3f}")
    for network, flops in cost.shared.items():
        drawn.add_row(f"of a unet row: {network}", f"{flops / 1e12:.3f}", "")
    return drawn


def rows_table(found: dict[str, Rows]) -> Table:
    """Rows by stage; those with gradients after a plus."""
    names = ("unet", "first blocks", "first attention", "decoder", "fused decoder", "cropped decoder", "text")
    drawn = Table(
        "way",
        "stage",
        *names,
        title="Rows: without + with gradients",
        caption="m: to the last map alone. first ...: of the UNet's rows, those that do not share it",
    )
    for way, rows in found.items():
        for stage in STAGES:
            if stage in rows:
                drawn.add_row(way, stage, *(_cell(rows[stage], network) for network in names))
    return drawn


def _cell(runs: dict[Run, int], network: str) -> str:
    parts: dict[bool, list[str]] = {False: [], True: []}
    for run, n in runs.items():
        if run.network == network:
            parts[run.backward != "none"].append(f"{n}{'m' if run.forward != 'whole' else ''}")
    plain, graded = (" and ".join(found) for found in parts.values())
    return plain + (f" + {graded}" if graded else "")


def flops_table(size: Size, found: dict[str, Rows], cost: Cost) -> Table:
    """TFLOP by stage, and the ratio to the first way."""
    drawn = Table("way", *STAGES, "a pass", "ratio", title=f"TFLOP, {SHAPES[size].name}")
    first = None
    for way, rows in found.items():
        flops = stage_flops(rows, cost)
        total = sum(flops.values())
        first = first or total
        cells = (f"{flops.get(stage, 0) / 1e12:.1f}" for stage in STAGES)
        drawn.add_row(way, *cells, f"{total / 1e12:.1f}", f"{total / first:.4f}x")
    return drawn
