"""Text embedding refinement, training style: one embedding for all timesteps (paper eq. 2-4)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...core.types import Callback, ImagingDescription, silent
from .types import Denoiser, RefinedEmbedding, TextEncoder, Trajectory
from .word_optimizer import WordOptimizer

NODE = "RefineEmbeddingTraining"


@dataclass(frozen=True)
class TrainingSettings:
    """The constants of the refinement; defaults are the paper's training style."""

    epochs: int = 50  # optimizer steps, each on a batch of timesteps; 0 keeps the words' own embeddings
    batch_size: int = 4  # timesteps of one optimizer step
    learning_rate: float = 1e-2  # of the token embeddings
    regularization_weight: float = 1000.0  # w of eq. 2
    weight_decay: float = 0.01
    weight_learning_rate: float = 0.1  # of the logits behind α
    seed: int = 0  # of the timesteps' order

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            if getattr(self, name) < 0:
                raise ValueError(f"{NODE}: `{name}` must be 0 or more, got {getattr(self, name)}.")
        if self.batch_size == 0:
            raise ValueError(f"{NODE}: `batch_size` must be 1 or more, got 0.")

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
) -> RefinedEmbedding:
    """Fits one embedding of the condition words to their regions, over timesteps drawn at random.

    An epoch is one AdamW step on the mean loss of `batch_size` timesteps, each drawn uniformly from the inversion's
    N, as a diffusion model is trained. The timesteps of a batch are evaluated one after another and their gradients
    added: the same step as from one evaluation of all, in the memory of one, and ControlNets and hooks that are
    scheduled over the timesteps keep their schedule.

    Args:
        settings: its seed fixes the timesteps: the same seed gives the same embedding.
        callback: called after each evaluation, epochs * batch_size times.
        Others: see `refinement.refine`.

    Returns:
        The rows' contexts, the same at every step, α, and the mean loss of each epoch.

    Raises:
        As `refinement.refine`.
    """
    words = WordOptimizer(denoise, encoder, trajectory, description, mask, settings, NODE)
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
