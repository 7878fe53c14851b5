"""Pairs of photographs and composites as the VAE encodes them, made once for all UNets."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ...core.files import replacing
from ...core.masks import foreground
from ...core.view import cut, find_view
from ...data.pairs import Pair
from ...mini.diffharmony.unet import SIZE, HarmonyLatent
from ...mini.diffharmony.vae import SCALE
from ..mini.network import has_fast_bf16
from ..routed.sampler import Sampler
from .setup import as_pixels
from .vae import moments

logger = logging.getLogger(__name__)

AT_ONCE = 24  # pairs that are encoded together


@dataclass(frozen=True)
class Latents:
    """Pairs as the UNet sees them, scaled: what is given, and what is to be made of it."""

    condition: Tensor  # [N,4,h,w]
    target: Tensor  # [N,4,h,w]
    mask: Tensor  # [N,1,h,w], 0 or 1

    def batch(self, size: int, generator: torch.Generator, device: torch.device) -> Latents:
        """Some of the pairs, float32."""
        rows = torch.randint(len(self.mask), (size,), generator=generator)
        return Latents(*(values[rows].float().to(device) for values in (self.condition, self.target, self.mask)))

    def joined(self, other: Latents) -> Latents:
        """The pairs of both."""
        both = ((values, vars(other)[name].to(values)) for name, values in vars(self).items())
        return Latents(*(torch.cat(parts) for parts in both))

    def exchanged(self) -> Latents:
        """The pairs the other way around."""
        return Latents(self.target, self.condition, self.mask)


def cached_latents(path: Path, sampler: Sampler, encoder: Any, count: int) -> Latents:
    """Composites and their photographs, read from a file when they were made before.

    Args:
        path: of the file. It is written anew, now and then, while pairs are made, and gone on with.
        sampler: gives the pairs.
        encoder: the VAE.
        count: pairs to make, about.
    """
    parts, step = {"condition": [], "target": [], "mask": []}, 0
    if path.is_file():
        known = torch.load(path, weights_only=True)
        step = known.pop("step")
        parts = {name: [values] for name, values in known.items()}
    steps = -(-count // AT_ONCE)
    for now in range(step, steps):
        for name, values in vars(encoded(sampler, now, encoder)).items():
            parts[name].append(values.half())
        if (now + 1) % 100 == 0 or now + 1 == steps:
            logger.info("encoded %d of %d batches", now + 1, steps)
            with replacing(path) as temporary:
                torch.save({name: torch.cat(values) for name, values in parts.items()} | {"step": now + 1}, temporary)
    return Latents(**{name: torch.cat(values) for name, values in parts.items()})


def encoded(sampler: Sampler, step: int, encoder: Any) -> Latents:
    """A step's batch."""
    batch = sampler.batch(step, AT_ONCE)
    return encoded_squares(batch.composite, batch.truth, batch.mask, encoder)


def encoded_pairs(found: Iterable[Pair], encoder: Any) -> Latents:
    """The squares around the objects of pairs, one at a time."""
    made = []
    for pair in found:
        view = find_view(foreground(pair.mask), "crop")
        composite, mask = cut(pair.composite[None], pair.mask[None], view, SIZE)
        truth, _ = cut(pair.truth[None], pair.mask[None], view, SIZE)
        made.append(encoded_squares(composite.movedim(-1, 1), truth.movedim(-1, 1), mask[:, None], encoder))
    return Latents(*(torch.cat(parts) for parts in zip(*(vars(each).values() for each in made), strict=True)))


@torch.no_grad()
def encoded_squares(composite: Tensor, truth: Tensor, mask: Tensor, encoder: Any) -> Latents:
    """Pairs as the VAE encodes them; those whose object lies between the latent's pixels, such as a rod, are left out.

    Args:
        composite, truth: [B,3,S,S] in 0-1.
        mask: [B,1,S,S] in 0-1.
        encoder: the VAE.
    """
    device = next(encoder.parameters()).device
    masks = interpolate(foreground(mask).float(), scale_factor=1 / SCALE, mode="nearest")
    seen = masks.amax((1, 2, 3)) > 0
    pictures = as_pixels(torch.cat((composite[seen], truth[seen]))).contiguous().to(device)
    with torch.autocast(device.type, torch.bfloat16, enabled=has_fast_bf16(device)):
        modes, _ = moments(encoder, pictures)
    given, target = (modes * HarmonyLatent.scale_factor).chunk(2)
    return Latents(given.cpu(), target.cpu(), masks[seen])
