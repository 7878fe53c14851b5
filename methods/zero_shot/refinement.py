"""Text embedding refinement, optimizing style: an embedding for each timestep (paper eq. 2-4)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ...core.types import Callback, ImagingDescription, silent
from .types import Denoiser, RefinedEmbedding, TextEncoder, Trajectory
from .word_optimizer import WordOptimizer, refined_embedding, row_contexts, text_rows

NODE = "RefineEmbedding"


@dataclass(frozen=True)
class RefinementSettings:
    """The constants of the refinement; defaults are the paper's optimizing style."""

    steps_per_timestep: int = 2  # 0 keeps the words' own embeddings
    learning_rate: float = 1e-3  # of the token embeddings
    regularization_weight: float = 5000.0  # w of eq. 2
    weight_decay: float = 0.01
    weight_learning_rate: float = 0.1  # of the logits behind α, which at 1e-3 would barely move in 100 steps

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            if getattr(self, name) < 0:
                raise ValueError(f"{NODE}: `{name}` must be 0 or more, got {getattr(self, name)}.")

    def evaluations(self, steps: int) -> int:
        """How often both rows are evaluated along a trajectory of so many steps."""
        return steps * self.steps_per_timestep


def refine(
    denoise: Denoiser,
    encoder: TextEncoder,
    trajectory: Trajectory,
    description: ImagingDescription,
    mask: Tensor,
    settings: RefinementSettings = RefinementSettings(),
    callback: Callback = silent,
) -> RefinedEmbedding:
    """Fits the condition words' token embeddings to their regions, step by step along an inversion.

    The foreground row learns to attend to the mask, the background row to its complement. From the noisiest
    inverted latent to the cleanest, each timestep starts from the embeddings of the last, and keeps its own; one
    AdamW serves them all. The images of a batch share the embeddings.

    Args:
        denoise: differentiable in its context.
        encoder: differentiable in its token embeddings.
        trajectory: of B images.
        description: an object and at least one word for each region.
        mask: [B or 1, 1, H, W], 1 on the foreground; binarized at 100/255.
        callback: called after each optimizer step, N * steps_per_timestep times.

    Returns:
        The rows' contexts at every step, α, and the loss at each optimizer step.

    Raises:
        ValueError: for an empty or ill-shaped mask, a region without words, or a model whose maps do not fit.
        RuntimeError: under `torch.inference_mode()`, which has no gradients.
    """
    words = WordOptimizer(denoise, encoder, trajectory, description, mask, settings, NODE)
    contexts = []
    for timestep in range(trajectory.steps):
        for _ in range(settings.steps_per_timestep):
            words.step(words.accumulate(timestep))
            callback(len(words.losses), settings.evaluations(trajectory.steps))
        contexts.append(words.contexts())
    return words.refined(contexts)


def encode_pair(
    encoder: TextEncoder, description: ImagingDescription, trajectory: Trajectory, node: str = NODE
) -> RefinedEmbedding:
    """The contexts from the words as they are, the background's equally weighted: no optimization.

    Raises:
        ValueError: for a region without words.
    """
    rows = text_rows(encoder, description, node)
    conditions = rows[0].conditions, rows[1].conditions
    weights = conditions[1].new_full((len(conditions[1]),), 1 / len(conditions[1]))
    contexts = row_contexts(encoder, rows, conditions, weights)
    return refined_embedding(encoder, trajectory, rows, weights, [contexts] * trajectory.steps, ())
