"""What the edge terms lose when only the object and a margin are decoded: gradients of a trained VAE on photographs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import comfy.model_management as management
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor

from ..core.masks import foreground
from ..core.view import Rectangle, working_view
from ..data.photos import Photo
from ..host.diffharmony.harmonizer import Models
from ..host.image import encode
from ..host.sampling.gradients import engine_boundary, owned
from ..host.sampling.vae import differentiable_decoder
from ..host.zero_shot.null_text import decoded_part, edges_of
from ..methods.zero_shot.structure.sobel import sobel_edges
from ..mini.diffharmony.loader import load_diffharmony

SIZE = 256  # of the working view, pixels
MARGINS = (0, 1, 2, 4, 8)
SIGMAS = (0.0, 0.3, 1.0)  # of the noise in the latent, in deviations of the clean one; early steps have most
DRIFT = 0.1  # how far the step is from the inverted picture, likewise: where they are equal there is no gradient


@dataclass(frozen=True)
class Loss:
    """Of one decoded part against the whole."""

    share: float  # of the latent that is decoded
    cosine: float  # of the gradients
    difference: float  # of the gradients, as a share of the whole one's length


def measure(photos: Sequence[Photo]) -> dict[int, list[Loss]]:
    """By margin, of each photo at each of SIGMAS.

    Args:
        photos: natural ones, at least one.

    Raises:
        ValueError: when there are no photos.
    """
    if not photos:
        raise ValueError("There are no photos to decode: the split has none, or the limit is 0.")
    models, found = load_diffharmony(), {margin: [] for margin in MARGINS}
    for photo in track(photos, "photos", console=Console(stderr=True)):
        for margin, losses in _of(models, photo).items():
            found[margin] += losses
    return found


def _of(models: Models, photo: Photo) -> dict[int, list[Loss]]:
    image, mask = working_view(photo.image()[None], photo.foreground()[None], SIZE)
    mask = foreground(mask).float()
    with torch.inference_mode():
        clean = encode(models.vae, image)
    generator = torch.Generator().manual_seed(0)
    noise, drift = (torch.randn(clean.shape, generator=generator) * clean.std() for _ in range(2))
    with engine_boundary(), differentiable_decoder(models.vae, models.model) as (decode, beside):
        management.load_models_gpu(beside.get_additional_models(), force_full_load=True)
        picture, scale = image.movedim(-1, 1), image.shape[1] // clean.shape[-2]

        def gradient(part: Rectangle, latent: Tensor) -> Tensor:
            leaf = latent.clone().requires_grad_()
            loss = edges_of(part, decode, picture, mask, [(sobel_edges, 1.0)], scale)(leaf)
            return torch.autograd.grad(loss.sum(), leaf)[0].flatten()

        steps = [owned((clean + DRIFT * drift + sigma * noise) / (1 + sigma**2) ** 0.5) for sigma in SIGMAS]
        all_ = Rectangle(0, 0, *clean.shape[-2:])
        whole = [gradient(all_, step) for step in steps]
        found = {}
        for margin in MARGINS:
            part = decoded_part(mask, scale, margin)
            share = part.height * part.width / (all_.height * all_.width)
            pairs = [(gradient(part, step), exact) for step, exact in zip(steps, whole, strict=True)]
            found[margin] = [
                Loss(
                    share, torch.cosine_similarity(ours, exact, 0).item(), ((ours - exact).norm() / exact.norm()).item()
                )
                for ours, exact in pairs
            ]
    return found


def table(found: dict[int, list[Loss]]) -> Table:
    """Means, and the worst photo's."""
    columns = "margin, latent pixels", "decoded", "cosine of the gradients", "lowest", "difference", "largest"
    drawn = Table(*columns, title=f"Edges of the object's part alone, trained VAE, n={len(found[MARGINS[0]])}")
    drawn.caption = f"n: photos, each at {len(SIGMAS)} noise levels"
    for margin, losses in found.items():
        mean = {name: sum(getattr(x, name) for x in losses) / len(losses) for name in vars(losses[0])}
        drawn.add_row(
            str(margin),
            f"{mean['share']:.2f}",
            f"{mean['cosine']:.4f}",
            f"{min(x.cosine for x in losses):.4f}",
            f"{mean['difference']:.3f}",
            f"{max(x.difference for x in losses):.3f}",
        )
    return drawn
