"""Text embedding refinement, training style: one embedding for all timesteps (paper eq. 2-4)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...core.errors import InputError
from ...core.types import Callback, ImagingDescription, silent
from .types import Denoiser, RefinedEmbedding, TextEncoder, Trajectory
from .word_optimizer import WordOptimizer


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """The constants of the refinement; defaults are the paper's training style."""

    epochs: int = 50  # optimizer steps, each on a batch of timesteps; 0 keeps the words' own embeddings
    batch_size: int = 4  # timesteps of one optimizer step
    learning_rate: float = 1e-2  # of the token embeddings
    regularization_weight: float = 1000.0  # w of eq. 2
    weight_decay: float = 0.01
    weight_learning_rate: float = 0.1  # of the logits behind α
    cached_queries: bool = False  # faster, see `row_maps.CachedMaps`
    seed: int = 0  # of the timesteps' order

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            if getattr(self, name) < 0:
                raise InputError(name, f"got {getattr(self, name)}, expected 0 or more.")
        if self.batch_size == 0:
            raise InputError("batch_size", "got 0, expected 1 or more.")

    def evaluations(self, steps: int) -> int:
        """How often both rows are evaluated, whatever the trajectory's number of steps."""
        return self.epochs * self.batch_size


def refine_by_training(
    denoise: Denoiser,
    encoder: TextEncoder,
    trajectory: Trajectory,
    description: ImagingDescription,
    mask: Tensor,
    settings: TrainingSettings = TrainingSettings(),
    callback: Callback = silent,
    importance: Tensor | None = None,
) -> RefinedEmbedding:
    """Fits one embedding of the condition words by L_Emb, over timesteps drawn at random (paper eq. 2-4).

    An epoch is one AdamW step on the mean loss of `batch_size` timesteps, each drawn uniformly from the inversion's
    N, as a diffusion model is trained. The timesteps of a batch are evaluated one after another and their gradients
    added. This gives the same step as one evaluation of all, in the memory of one. ControlNets and hooks that are
    scheduled over the timesteps keep their schedule.

    Args:
        denoise: differentiable in its context.
        encoder: differentiable in its token embeddings.
        trajectory: of B images.
        description: an object, and at least one word each for foreground and background.
        mask: [B or 1, H, W], 1 on the foreground; binarized at 100/255.
        settings: constants of the optimization. The same seed gives the same embedding.
        callback: called after each evaluation, epochs * batch_size times.
        importance: [B or 1, H, W], how much each pixel of the scene counts for the background's words beside the
            others, 0 or more; its values on the object are not used. None: all count the same.

    Returns:
        The rows' contexts, the same at every step, α, and the mean loss of each epoch.

    Raises:
        InputError: for an empty or ill-shaped mask, an importance that does not fit it or leaves nothing of the
            background, a description without words for one side, or a model whose maps do not fit.
        RuntimeError: under `torch.inference_mode()`, which has no gradients.
    """
    words = WordOptimizer(denoise, encoder, trajectory, description, mask, settings, importance)
    generator = torch.Generator().manual_seed(settings.seed)
    done, total = 0, settings.evaluations(trajectory.steps)
    for _ in range(settings.epochs):
        loss = 0.0
        for timestep in torch.randint(trajectory.steps, (settings.batch_size,), generator=generator).tolist():
            loss += words.accumulate(timestep, share=1 / settings.batch_size)
            done += 1
            callback(done, total)
        words.step(loss)
    return words.refined([words.contexts()] * trajectory.steps)
