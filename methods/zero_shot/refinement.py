"""Text embedding refinement, optimizing style: an embedding for each timestep (paper eq. 2-4)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ...core.errors import InputError
from ...core.types import Callback, ImagingDescription, silent
from .types import Denoiser, RefinedEmbedding, TextEncoder, Trajectory
from .word_optimizer import WordOptimizer, encoded_contexts, refined_embedding, text_rows


@dataclass(frozen=True, kw_only=True)
class RefinementSettings:
    """The constants of the refinement; defaults are the paper's optimizing style."""

    steps_per_timestep: int = 2  # 0 keeps the words' own embeddings
    learning_rate: float = 1e-3  # of the token embeddings
    regularization_weight: float = 5000.0  # w of eq. 2
    weight_decay: float = 0.01
    weight_learning_rate: float = 0.1  # of the logits behind α, which at 1e-3 would barely move in 100 steps
    cached_queries: bool = False  # faster, see `row_maps.CachedMaps`

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            if getattr(self, name) < 0:
                raise InputError(name, f"got {getattr(self, name)}, expected 0 or more.")

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
    importance: Tensor | None = None,
) -> RefinedEmbedding:
    """Fits the condition words' token embeddings by L_Emb, step by step along an inversion (paper eq. 2-4).

    The foreground row learns to attend to the mask, the background row to the rest. From the noisiest inverted latent
    to the cleanest, each timestep starts from the embeddings of the last one and keeps its own result. One AdamW
    serves them all. The images of a batch share the embeddings.

    Args:
        denoise: differentiable in its context.
        encoder: differentiable in its token embeddings.
        trajectory: of B images.
        description: an object, and at least one word each for foreground and background.
        mask: [B or 1, H, W], 1 on the foreground; binarized at 100/255.
        settings: constants of the optimization.
        callback: called after each optimizer step, N * steps_per_timestep times.
        importance: [B or 1, H, W], how much each pixel of the scene counts for the background's words beside the
            others, 0 or more; its values on the object are not used. None: all count the same.

    Returns:
        The rows' contexts at every step, α, and the loss at each optimizer step.

    Raises:
        InputError: for an empty or ill-shaped mask, an importance that does not fit it or leaves nothing of the
            background, a description without words for one side, or a model whose maps do not fit.
        RuntimeError: under `torch.inference_mode()`, which has no gradients.
    """
    words = WordOptimizer(denoise, encoder, trajectory, description, mask, settings, importance)
    if settings.steps_per_timestep == 0:
        return words.refined([words.contexts()] * trajectory.steps)
    contexts = []
    for timestep in range(trajectory.steps):
        for inner in range(settings.steps_per_timestep):
            loss = words.accumulate(timestep)
            if timestep and not inner:  # a timestep starts from what the one before it ended with
                contexts.append(words.encoded())
            words.step(loss)
            callback(len(words.losses), settings.evaluations(trajectory.steps))
    return words.refined([*contexts, words.contexts()])


def encode_pair(encoder: TextEncoder, description: ImagingDescription, trajectory: Trajectory) -> RefinedEmbedding:
    """The contexts from the words as they are, the background's equally weighted: no optimization.

    Args:
        encoder: of the model.
        description: an object, and at least one word each for foreground and background.
        trajectory: of B images and N steps.

    Returns:
        The same contexts at every step.

    Raises:
        InputError: for a description without words for one side.
    """
    rows = text_rows(encoder, description)
    conditions = rows[0].conditions, rows[1].conditions
    weights = conditions[1].new_full((len(conditions[1]),), 1 / len(conditions[1]))
    contexts = encoded_contexts(encoder, rows, conditions, weights)
    return refined_embedding(encoder, trajectory, rows, weights, [contexts] * trajectory.steps, ())
