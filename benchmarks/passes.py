"""The ways to do a zero-shot pass that `speed` compares: the reference's, the pack's exact one, and `fast`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from ..core.types import ImagingDescription
from ..host.image import encode
from ..host.zero_shot.edit import Models
from ..host.zero_shot.null_text import optimize_null
from ..host.zero_shot.stages import edit_trajectory, invert_latent, refine_words
from ..methods.zero_shot.null_text import NullTextSettings
from ..methods.zero_shot.refinement import RefinementSettings
from .reference import Mark, reference_pass
from .shapes import Shape

STAGES = ("invert", "refine", "null-text", "edit")
DESCRIPTION = ImagingDescription("dog", ("bright", "summer"), ("winter", "dull", "greyscale"))

Pass = Callable[[Models, Tensor, Tensor, ImagingDescription, int, Mark], Tensor]


@dataclass(frozen=True)
class Way:
    """A way to do a pass, with a number of steps."""

    name: str
    run: Pass
    steps: int
    description: ImagingDescription = DESCRIPTION

    def __call__(self, models: Models, shape: Shape, mark: Mark) -> Tensor:
        """A pass on a picture of noise."""
        mask = object_mask(shape)
        image = torch.rand(*mask.shape, 3, generator=torch.Generator().manual_seed(0))
        return self.run(models, image, mask, self.description, self.steps, mark)


def object_mask(shape: Shape) -> Tensor:
    """The mask [1,S,S] of all ways: a square of half the side, as much as the working view shows of an object."""
    side = 8 * shape.latent
    mask = torch.zeros(1, side, side)
    mask[:, side // 4 : side // 4 * 3, side // 4 : side // 4 * 3] = 1
    return mask


def pack_pass(
    models: Models,
    image: Tensor,
    mask: Tensor,
    description: ImagingDescription,
    steps: int,
    mark: Mark,
    *,
    cached_queries: bool = False,
    null_text: bool = True,
    fast_edges: bool = False,
) -> Tensor:
    """The pack's stages, one after the other, as the nodes call them.

    Args:
        models, image, mask, description, steps, mark: see `reference_pass`.
        cached_queries: see `RefinementSettings`.
        null_text: whether to optimize it, with Sobel edges; without, the edit is by direct inversion.
        fast_edges: decode once a timestep, and the mask's part alone.

    Returns:
        The edited LATENT samples [1, C, h, w].
    """
    model, clip, vae = models.model, models.clip, models.vae
    with torch.inference_mode():  # as the host runs nodes
        with mark("invert"):
            trajectory = invert_latent(model, clip, encode(vae, image), steps)
        with mark("refine"):
            settings = RefinementSettings(cached_queries=cached_queries)
            refined = refine_words(model, clip, trajectory, description, mask, settings)
        optimized = None
        if null_text:
            with mark("null-text"):
                settings = NullTextSettings(held_edges=fast_edges)
                optimized, _ = optimize_null(
                    model, vae, trajectory, refined, image, mask, settings, edges="sobel", cropped=fast_edges
                )
        with mark("edit"):
            return edit_trajectory(model, trajectory, refined, null_text=optimized)


exact = pack_pass
fast_edges = partial(pack_pass, cached_queries=True, fast_edges=True)
fast = partial(pack_pass, cached_queries=True, null_text=False)
WAYS = (
    Way("reference", reference_pass, 50),
    Way("exact", exact, 50),
    Way("fast, null-text", fast_edges, 50),
    Way("exact, direct inversion", partial(pack_pass, null_text=False), 50),
    Way("fast", fast, 50),
    Way("fast, 20 steps", fast, 20),
)
