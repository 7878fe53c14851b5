"""One pass of Diff-Harmonization with the host's models."""

from __future__ import annotations

from dataclasses import dataclass, field

from comfy.model_patcher import ModelPatcher
from comfy.sd import CLIP, VAE
from torch import Tensor

from ...color.apply import apply_lut
from ...color.fit import fit_lut
from ...core.types import ImagingDescription
from ...core.view import ViewMode, working_view
from ...methods.zero_shot.editing import ALL_STEPS, StepRange
from ...methods.zero_shot.null_text import NullTextSettings
from ...methods.zero_shot.refinement import RefinementSettings
from ...methods.zero_shot.types import RefinedEmbedding, Trajectory
from ..image import decode, encode
from .edges import Edges
from .null_text import optimize_null
from .stages import edit_trajectory, invert_latent, refine_words


@dataclass(frozen=True)
class Models:
    """A checkpoint as the host's loaders give it."""

    model: ModelPatcher
    clip: CLIP
    vae: VAE


@dataclass(frozen=True, kw_only=True)
class PassSettings:
    """The settings of one pass. The defaults suit the embedded model and the loop."""

    size: int = 64  # side of the square that the model sees, pixels
    framing: ViewMode = "crop"  # how that square is taken from the picture
    steps: int = 10  # of the inversion and of the edit
    strength: float = 0.7  # of the direct inversion
    amount: float = 0.5  # share of the color change that the pass keeps; small steps let the loop find where to stop
    refinement: RefinementSettings = field(default_factory=RefinementSettings)
    self_steps: StepRange = ALL_STEPS  # where the source's self-attention holds
    null_text: NullTextSettings | None = None  # None: direct inversion
    edges: Edges = "auto"  # of the null-text optimization


@dataclass(frozen=True)
class Inverted:
    """What the model sees of a picture, and the inversion of it."""

    image: Tensor  # [1,S,S,3]
    mask: Tensor  # [1,S,S]
    trajectory: Trajectory


def edit_once(
    models: Models, image: Tensor, mask: Tensor, description: ImagingDescription, settings: PassSettings
) -> Tensor:
    """One pass: invert, refine, edit, and carry the change of color to the picture as a LUT.

    Args:
        models: MODEL, CLIP and VAE of one checkpoint.
        image: [1,H,W,3], sRGB in 0-1.
        mask: [1,H,W], 1 on the foreground.
        description: the words of foreground and background.
        settings: the pass.

    Returns:
        The picture after the pass, [1,H,W,3]. Outside the mask it is bit-identical to `image`.
    """
    inverted = invert_view(models, image, mask, settings)
    return edit_inverted(models, image, mask, inverted, refine(models, inverted, description, settings), settings)


def invert_view(models: Models, image: Tensor, mask: Tensor, settings: PassSettings) -> Inverted:
    """Cut the square that the model sees, and invert it. Other descriptions of the same picture can share it."""
    square, square_mask = working_view(image, mask, settings.size, settings.framing)
    latent = encode(models.vae, square)
    return Inverted(square, square_mask, invert_latent(models.model, models.clip, latent, settings.steps))


def refine(
    models: Models, inverted: Inverted, description: ImagingDescription, settings: PassSettings
) -> RefinedEmbedding:
    """Refine the words of a description on an inverted picture (paper eq. 2-4)."""
    return refine_words(models.model, models.clip, inverted.trajectory, description, inverted.mask, settings.refinement)


def edit_inverted(
    models: Models, image: Tensor, mask: Tensor, inverted: Inverted, refined: RefinedEmbedding, settings: PassSettings
) -> Tensor:
    """Edit an inverted picture with refined words, and carry the change to the picture that it was cut from."""
    null_text = None
    if settings.null_text is not None:
        null_text, _ = optimize_null(
            models.model,
            models.vae,
            inverted.trajectory,
            refined,
            inverted.image,
            inverted.mask,
            settings.null_text,
            edges=settings.edges,
        )
    latent = edit_trajectory(
        models.model,
        inverted.trajectory,
        refined,
        strength=settings.strength,
        self_steps=settings.self_steps,
        null_text=null_text,
        guidance_scale=(settings.null_text or NullTextSettings()).guidance_scale,
    )
    lut = fit_lut(inverted.image, decode(models.vae, latent), inverted.mask)
    return apply_lut(image, lut, mask, settings.amount)


class ZeroShotEdit:
    """`edit_once` as a loop calls it: several passes may start from one picture, which is inverted once."""

    def __init__(self, models: Models, settings: PassSettings) -> None:
        self.models, self.settings = models, settings
        self._inverted: list[tuple[Tensor, Tensor, Inverted]] = []  # each with its picture and mask

    def __call__(self, image: Tensor, mask: Tensor, description: ImagingDescription) -> Tensor:
        inverted = next((known for i, m, known in self._inverted if i is image and m is mask), None)
        if inverted is None:
            inverted = invert_view(self.models, image, mask, self.settings)
            self._inverted.append((image, mask, inverted))
        refined = refine(self.models, inverted, description, self.settings)
        return edit_inverted(self.models, image, mask, inverted, refined, self.settings)
