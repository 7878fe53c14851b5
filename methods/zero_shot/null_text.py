"""Edge-constrained null-text optimization (paper eq. 5-6)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ...core.errors import InputError
from ...core.types import Callback, silent
from .contexts import Context, each, tokens_of, with_tokens
from .inversion import ddim_step
from .paths import require_refined
from .types import Denoiser, NullText, RefinedEmbedding, Trajectory

EdgeImage = Literal["step", "predicted"]


@dataclass(frozen=True, kw_only=True)
class NullTextSettings:
    """The constants of the optimization.

    Guidance scale and weight decay are the paper's. On the others it is silent: their defaults are those of its
    authors' code.
    """

    guidance_scale: float = 2.5  # s
    latent_weight: float = 10.0  # of mean((z - z*)²)
    learning_rate: float = 0.1
    weight_decay: float = 0.01
    inner_steps: int = 1  # optimizer steps at the first timestep
    growth_interval: int = 10  # one inner step more after so many timesteps; 0 never
    edge_image: EdgeImage = "step"  # whose edges count: the step as it is, or the clean latent predicted there
    held_edges: bool = False  # faster: a timestep's later optimizer steps take the edges' slope from its first

    def __post_init__(self) -> None:
        for name in ("latent_weight", "learning_rate", "weight_decay", "inner_steps", "growth_interval"):
            if getattr(self, name) < 0:
                raise InputError(name, f"got {getattr(self, name)}, expected 0 or more.")
        if self.guidance_scale == 1:
            raise InputError("guidance_scale", "got 1, at which the null text has no effect. The paper's value is 2.5.")
        if self.edge_image not in ("step", "predicted"):
            raise InputError("edge_image", f"got '{self.edge_image}', expected 'step' or 'predicted'.")

    def inner(self, step: int) -> int:
        """Optimizer steps at a timestep: 1 + i // 10 with the defaults."""
        return self.inner_steps + (step // self.growth_interval if self.growth_interval else 0)


def optimize_null_text(
    denoise: Denoiser,
    trajectory: Trajectory,
    refined: RefinedEmbedding,
    settings: NullTextSettings = NullTextSettings(),
    edge_loss: Callable[[Tensor], Tensor] | None = None,
    callback: Callback = silent,
) -> NullText:
    """Fits an unconditional embedding to each step: L = 10 mean((z - z*)²) + edges, z = x sqrt(alpha_bar) (eq. 5-6).

    The guided step ε = ε(null) + s (ε(source) - ε(null)) from the latent reached so far shall land on the inverted
    one and keep the edges. In the host's own scale x the first steps would weigh two hundred times as much. As in
    null-text inversion (Mokady et al. 2023), each timestep starts from the embedding of the last and continues from
    the latent that its own embedding leads to. Here one AdamW serves them all, and every inner step is taken: neither
    the paper nor its authors' code stops early. ε(source) does not depend on the embedding, so it is predicted once a
    timestep, without gradients. The images of a batch do not touch each other. SDXL's pooled output of the empty prompt
    stays as it is: the embedding of the tokens alone is fitted.

    Args:
        denoise: differentiable in its context; evaluated on B rows.
        trajectory: of B images.
        refined: its source row is the condition, its negative the starting point.
        settings: constants of the optimization.
        edge_loss: the edge terms of eq. 5-6 as a function of a latent, [B, C, h, w] in the scale of z to [B]. None:
            no edge terms.
        callback: called after each optimizer step with the predicted clean latent.

    Returns:
        One embedding for each step, and the loss at each optimizer step.

    Raises:
        InputError: when `refined` belongs to another trajectory.
        RuntimeError: under `torch.inference_mode()`, which has no gradients.
    """
    if torch.is_inference_mode_enabled():
        raise RuntimeError("optimize_null_text needs gradients: call it under torch.inference_mode(False).")
    require_refined(trajectory, refined)
    latents = trajectory.latents
    negative = refined.negative.to(latents)
    null = tokens_of(negative).detach().clone().requires_grad_()
    optimizer = torch.optim.AdamW([null], lr=settings.learning_rate, weight_decay=settings.weight_decay)
    total = sum(settings.inner(step) for step in range(trajectory.steps))
    latent, embeddings, losses = latents[0], [], []
    for index in range(trajectory.steps):
        step = _GuidedStep(denoise, trajectory, refined, index, latent, settings, edge_loss)
        for _ in range(settings.inner(index)):
            with torch.enable_grad():
                loss, clean = step.loss(with_tokens(negative, null))
                (null.grad,) = torch.autograd.grad(loss.sum(), null)
            optimizer.step()
            losses.append(float(loss.detach().mean()))
            callback(len(losses), total, clean)
        embeddings.append(with_tokens(negative, null.detach().clone()))
        if index + 1 < trajectory.steps:  # nothing starts from the last landing
            with torch.no_grad():
                latent = step.land(step.eps(embeddings[-1]))
    return NullText(
        embeddings=each(lambda *steps: torch.stack(steps), *embeddings),
        guidance_scale=settings.guidance_scale,
        sigmas=trajectory.sigmas,
        latent_shape=trajectory.latent_shape,
        losses=tuple(losses),
    )


class _GuidedStep:
    """One timestep from one latent, as a function of the null embedding."""

    def __init__(
        self,
        denoise: Denoiser,
        trajectory: Trajectory,
        refined: RefinedEmbedding,
        index: int,
        latent: Tensor,
        settings: NullTextSettings,
        edge_loss: Callable[[Tensor], Tensor] | None,
    ) -> None:
        self.denoise, self.latent, self.settings = denoise, latent, settings
        self.edge_loss = HeldSlope(edge_loss) if edge_loss and settings.held_edges else edge_loss
        self.sigma, self.next_sigma = trajectory.sigmas[index : index + 2].to(latent.device)
        self.root_alpha_bar = (1 + self.next_sigma**2).rsqrt()
        self.aim = trajectory.latents[index + 1] * self.root_alpha_bar  # z*
        with torch.no_grad():
            self.eps_source = denoise(latent, self.sigma, refined.source[index].to(latent))

    def eps(self, null: Context) -> Tensor:
        eps_null = self.denoise(self.latent, self.sigma, null)
        return eps_null + self.settings.guidance_scale * (self.eps_source - eps_null)

    def land(self, eps: Tensor) -> Tensor:
        return ddim_step(self.latent, eps, self.sigma, self.next_sigma)

    def loss(self, null: Context) -> tuple[Tensor, Tensor]:
        """The loss of each image [B], and the clean latent predicted, detached."""
        eps = self.eps(null)
        z, clean = self.land(eps) * self.root_alpha_bar, ddim_step(self.latent, eps, self.sigma, 0.0)
        loss = self.settings.latent_weight * (z - self.aim).square().mean((1, 2, 3))
        if self.edge_loss is not None:
            loss = loss + self.edge_loss(z if self.settings.edge_image == "step" else clean).to(loss)
        return loss, clean.detach()


class HeldSlope:
    """A loss that is looked at once, and then taken for linear: L(z) + <dL/dz, z' - z> for every later z'.

    Args:
        loss: of a latent [B,C,h,w] to [B].
    """

    def __init__(self, loss: Callable[[Tensor], Tensor]) -> None:
        self.loss = loss
        self.found: tuple[Tensor, Tensor, Tensor] | None = None

    def __call__(self, z: Tensor) -> Tensor:
        if self.found is None:
            at = z.detach().requires_grad_()
            value = self.loss(at)
            (slope,) = torch.autograd.grad(value.sum(), at)
            self.found = at.detach(), value.detach(), slope
        at, value, slope = self.found
        return value + (slope * (z - at)).sum((1, 2, 3)).to(value)
