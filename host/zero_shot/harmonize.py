"""The whole loop in one call: the stages of the graph form, in its order, with its results."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import comfy.model_management
from comfy.model_patcher import ModelPatcher
from comfy.sd import CLIP, VAE
from torch import Tensor

from ...color.apply import apply_lut
from ...color.fit import fit_lut
from ...color.lut import ColorLUT
from ...core.types import ImagingDescription
from ...core.view import working_view
from ...loop.policy import LoopPolicy
from ...methods.zero_shot.refinement import RefinementSettings
from ...methods.zero_shot.types import Trajectory
from ..image import check_mask, decode, encode
from ..loop.passes import Passes
from .stages import edit_trajectory, invert_latent, refine_words

NODE = "Harmonize"


class Evaluator(Protocol):
    """Scores pictures [B,H,W,3] with masks [B,H,W]: [B] in 0-1, higher is more harmonious."""

    def score(self, image: Tensor, mask: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class Models:
    model: ModelPatcher
    clip: CLIP
    vae: VAE


@dataclass(frozen=True)
class PassSettings:
    """One pass; the defaults suit the embedded model."""

    size: int = 64  # side of the square that the model sees, pixels
    steps: int = 10  # of the inversion and the edit
    strength: float = 0.7  # of the direct inversion
    amount: float = 0.5  # of the pass's LUT: small steps, so that the evaluator finds where to stop
    refinement: RefinementSettings = field(default_factory=RefinementSettings)
    view_size: int = 256  # side of the working view that the loop carries, pixels


@dataclass(frozen=True)
class Harmonized:
    image: Tensor  # [1,H,W,3], full resolution
    lut: ColorLUT  # from the composite's working view to the best state's
    passes: Passes


def harmonize(
    models: Models,
    evaluator: Evaluator,
    image: Tensor,
    mask: Tensor,
    descriptions: Sequence[ImagingDescription],
    settings: PassSettings,
    policy: LoopPolicy,
    after_pass: Callable[[Passes], Passes] = lambda passes: passes,
    node: str = NODE,
    earlier: Sequence[Path] = (),
) -> Harmonized:
    """Describe, edit, judge, repeat (paper sec. 3.3); then the best state's colors at full resolution (app. E).

    Args:
        image: [1,H,W,3], the composite; mask: MASK of its size.
        descriptions: seed n takes the n-th, round and round.
        after_pass: called with all states after each pass; what it returns is gone on with.
        node: name of the node, for the errors.
        earlier: files of loops before this one; an error names them, too.

    Raises:
        ValueError: for more than one picture, no description, or a mask that does not fit.
        RuntimeError: when a pass, or what comes before or after them, fails; names the files saved so far.
    """
    if len(image) != 1 or not descriptions:
        raise ValueError(
            f"{node}: got {len(image)} pictures and {len(descriptions)} descriptions, expected one picture in input "
            f"image and at least one description in input descriptions."
        )
    mask = check_mask(mask, image, node)
    with _told(node, earlier):
        view, region = working_view(image, mask, settings.view_size)
        run = _Pass(models, settings, region)
        passes = Passes((view,), (float(evaluator.score(view, region)[0]),))
    while (decision := passes.decisions(policy)[-1]).action != "conclude":
        description = descriptions[decision.seed % len(descriptions)]
        with _told(f"{node}, pass {passes.count + 1}", [*earlier, *passes.paths]):
            made = run(decision.source, passes.images[decision.source], description)
            score = float(evaluator.score(made, region)[0])
            passes = after_pass(passes.add(made, score, str(description), node))
    with _told(f"{node}, final LUT", [*earlier, *passes.paths]):
        lut = fit_lut(view, passes.images[decision.source], region)
        return Harmonized(apply_lut(image, lut, mask), lut, passes)


@contextmanager
def _told(where: str, saved: Sequence[Path]) -> Iterator[None]:
    """An error says where it happened and which passes are saved. Out of memory and the interrupt are the host's."""
    try:
        yield
    except comfy.model_management.InterruptProcessingException:  # an Exception in older hosts
        raise
    except Exception as error:
        if comfy.model_management.is_oom(error):
            raise
        files = f" Finished passes are saved: {', '.join(map(str, saved))}" if saved else ""
        raise RuntimeError(f"{where}: {error}{files}") from error


class _Pass:
    """Edits a state's picture by its description; each state is inverted once."""

    def __init__(self, models: Models, settings: PassSettings, mask: Tensor) -> None:
        self.models, self.settings, self.mask = models, settings, mask
        self.inverted: dict[int, tuple[Tensor, Tensor, Trajectory]] = {}

    def __call__(self, state: int, image: Tensor, description: ImagingDescription) -> Tensor:
        """The picture [1,H,W,3] after one pass on `image`, that of `state`."""
        model, clip, settings = self.models.model, self.models.clip, self.settings
        if state not in self.inverted:
            self.inverted[state] = self._invert(image)
        square, region, trajectory = self.inverted[state]
        refined = refine_words(model, clip, trajectory, description, region, settings.refinement)
        edited = decode(self.models.vae, edit_trajectory(model, trajectory, refined, settings.strength))
        return apply_lut(image, fit_lut(square, edited, region), self.mask, settings.amount)

    def _invert(self, image: Tensor) -> tuple[Tensor, Tensor, Trajectory]:
        square, region = working_view(image, self.mask, self.settings.size, "whole")
        latent = encode(self.models.vae, square)
        return square, region, invert_latent(self.models.model, self.models.clip, latent, self.settings.steps)
