"""Decode a large picture with Harmony-VAE in tiles that agree where they meet.

Two things make the tiles of a VAE differ: its group normalization, which measures the whole picture, and the attention
in its middle. So the middle, which is small, runs on the whole picture. The rest runs on tiles, all with the same mean
and deviation. These are measured on a sample: pieces from everywhere in the picture, side by side. (A shrunken copy has
other details than the picture, and other deviations.) So tiles agree with each other, to much less than a level, and
nearly with what the whole picture would give.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count

import torch
from torch import Tensor, nn

from .network import HarmonyVAE

TILE = 48  # side of a tile, in the latent's pixels
HALO = 8  # what a tile sees around itself, likewise
SAMPLE = 64  # side of the sample, likewise: it takes no more memory than a tile
PIECE = 8  # side of its pieces, likewise


@dataclass(frozen=True)
class Tile:
    """A rectangle of the latent: what is kept, and what is computed."""

    rows: slice
    columns: slice
    seen_rows: slice
    seen_columns: slice

    def seen(self, values: Tensor, scale: int = 1) -> Tensor:
        """What the tile sees of [B,C,H,W], whose side is `scale` times the latent's."""
        return values[..., _scaled(self.seen_rows, scale), _scaled(self.seen_columns, scale)]

    def keep(self, into: Tensor, values: Tensor, scale: int = 1) -> None:
        """Write the tile's own part of what was computed into [B,C,H,W], whose side is `scale` times the latent's."""
        top, left = self.rows.start - self.seen_rows.start, self.columns.start - self.seen_columns.start
        height, width = self.rows.stop - self.rows.start, self.columns.stop - self.columns.start
        own = values[..., _scaled(slice(top, top + height), scale), _scaled(slice(left, left + width), scale)]
        into[..., _scaled(self.rows, scale), _scaled(self.columns, scale)] = own.to(into)


def decode_in_tiles(
    network: HarmonyVAE,
    latent: Tensor,
    condition: Tensor,
    mask: Tensor,
    *,
    tile: int = TILE,
    halo: int = HALO,
    sample: int = SAMPLE,
    report: Callable[[int, int], object] = lambda done, total: None,
) -> Tensor:
    """What the network gives, in the memory of a tile and of the features at the latent's size.

    Args:
        network: on its device; tiles are brought there.
        latent: [1,4,h,w].
        condition: [1,3,8h,8w] in [-1,1]; other VAEs than Stable Diffusion's shrink by another factor than 8.
        mask: [1,1,8h,8w], 0 or 1.
        tile: side of a tile, in the latent's pixels.
        halo: what a tile sees around itself, likewise.
        sample: side of the sample on which the statistics are measured, likewise, at least 8. A picture of at most
            this size gets what `network` gives, but for what lies beyond the halo.
        report: called with the number of finished tiles and of all.

    Returns:
        [1,3,8h,8w] in about [-1,1], float32, on the latent's device.
    """
    device, (height, width) = next(network.parameters()).device, latent.shape[-2:]
    scale = condition.shape[-1] // width
    tiles = [Tile(*cut) for cut in _cuts((height, width), tile, halo)]
    rows, columns = (_sampled(side, sample, latent.device) for side in (height, width))
    numbers, total = count(1), 2 * len(tiles)

    def sampled(values: Tensor, times: int = 1) -> Tensor:
        return values[..., _pixels(rows, times), :][..., _pixels(columns, times)].to(device)

    def features_of(part: Tile) -> list[Tensor]:
        return network.descend(*(part.seen(values, scale).to(device) for values in (condition, mask)))

    down = Moments(_norms(network.conditional_encoder.down))
    with down.measured():
        features = network.descend(sampled(condition, scale), sampled(mask, scale))
    with down.frozen():
        deepest = latent.new_empty(1, network.mid_skip.in_channels, height, width)
        for part in tiles:
            part.keep(deepest, features_of(part)[-1])
            report(next(numbers), total)
        hidden = network.middle(latent.to(device), deepest.to(device)).to(latent.device)
        up = Moments(_norms(network.decoder.up, network.decoder.norm_out))
        with up.measured():
            network.ascend(sampled(hidden), features)
        out = torch.empty(1, 3, scale * height, scale * width, dtype=torch.float32, device=latent.device)
        with up.frozen():
            for part in tiles:
                part.keep(out, network.ascend(part.seen(hidden).to(device), features_of(part)), scale)
                report(next(numbers), total)
    return out


class Moments:
    """Mean and deviation of what group normalizations get to see in a run."""

    def __init__(self, norms: list[nn.GroupNorm]) -> None:
        self.norms = norms
        self.seen: dict[nn.GroupNorm, tuple[Tensor, Tensor]] = {}  # mean and deviation, [channels,1,1], float32

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Keeps the moments of the run inside."""

        def measure(norm: nn.GroupNorm, inputs: tuple[Tensor, ...]) -> None:
            variance, mean = torch.var_mean(inputs[0].float().reshape(norm.num_groups, -1), dim=1, correction=0)
            repeated = (x.repeat_interleave(norm.num_channels // norm.num_groups) for x in (mean, variance))
            mean, variance = (x[:, None, None] for x in repeated)
            self.seen[norm] = mean, (variance + norm.eps).sqrt()

        handles = [norm.register_forward_pre_hook(measure) for norm in self.norms]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Lets the group normalizations use these moments instead of those of their input."""
        for norm, moments in self.seen.items():
            norm.forward = partial(_normalized, norm, *moments)
        try:
            yield
        finally:
            for norm in self.seen:
                del norm.forward


def _norms(*parts: nn.Module) -> list[nn.GroupNorm]:
    return [module for part in parts for module in part.modules() if isinstance(module, nn.GroupNorm)]


def _normalized(norm: nn.GroupNorm, mean: Tensor, deviation: Tensor, values: Tensor) -> Tensor:
    """One multiplication and one addition for each value, as mean and deviation [channels,1,1] are known."""
    factor = norm.weight[:, None, None] / deviation
    offset = norm.bias[:, None, None] - factor * mean
    return torch.addcmul(offset, values, factor).to(values.dtype)


def _sampled(side: int, sample: int, device: torch.device) -> Tensor:
    """Which of `side` rows the sample holds: all, or even pieces of them from the first row to the last."""
    if side <= sample:
        return torch.arange(side, device=device)
    starts = torch.linspace(0, side - PIECE, max(1, sample // PIECE), device=device).round().long()
    return (starts[:, None] + torch.arange(PIECE, device=device)).flatten()


def _pixels(rows: Tensor, scale: int) -> Tensor:
    """The rows of a picture whose side is `scale` times the latent's."""
    return (rows[:, None] * scale + torch.arange(scale, device=rows.device)).flatten()


def _cuts(grid: tuple[int, ...], tile: int, halo: int) -> Iterator[tuple[slice, slice, slice, slice]]:
    height, width = grid
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            bottom, right = min(top + tile, height), min(left + tile, width)
            seen = (slice(max(0, top - halo), min(height, bottom + halo)),)
            seen += (slice(max(0, left - halo), min(width, right + halo)),)
            yield slice(top, bottom), slice(left, right), *seen


def _scaled(part: slice, scale: int) -> slice:
    return slice(part.start * scale, part.stop * scale)
