"""Routed harmonizers in the host: the models folder, the device, and the pictures of a batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import folder_paths
import torch
from torch import Tensor

from ...color.lut import ColorLUT
from ...color.sequence import Change, Proposer
from ...core.weights import shipped_weights
from ...evaluator.model import HarmonyEvaluator
from ...loop.policy import ENOUGH, MARGIN, LoopPolicy, answer
from ...loop.states import require_one_picture
from ...methods.routed.apply import global_lut
from ...methods.routed.checkpoint import MANIFEST, read_network
from ...methods.routed.harmonizer import Proposal, RoutedHarmonizer
from ...methods.routed.instances import find_instances
from ...methods.routed.similarity import importance_map
from ..image import check_importance, check_mask
from ..network import HostNetwork
from ..sampling.progress import progress
from .instances import instance_backbone

EMBEDDED = "embedded"
FOLDER = "routed_harmonizer"
JUDGED = 0.0, 0.25, 0.5, 0.75, 1.0  # strengths that the judge chooses among, times the one that is asked for
CHOICE = LoopPolicy(margin=MARGIN, enough=ENOUGH)  # how it chooses
UNCHANGED = (
    "The composite is returned unchanged: no change scores clearly higher than none. If you painted the mask, keep to "
    "the object's edge. To see the change all the same, remove the link to the input evaluator."
)
PROPOSED = JUDGED[1:]  # strengths of what a loop may take or start from


@dataclass(frozen=True)
class Harmonized:
    """A batch's pictures."""

    image: Tensor  # [B,H,W,3]
    luts: tuple[ColorLUT, ...]  # the global change of each picture
    strengths: tuple[float, ...]  # what each was applied with
    scores: tuple[tuple[float, ...], ...]  # the judge's, of each picture at each of JUDGED; empty without a judge

    def summary(self) -> str:
        """A line for each picture: its strength, and why the judge took it."""
        return "\n".join(map(_reason, self.strengths, self.scores))


def harmonizer_names() -> list[str]:
    """What can be loaded: the embedded harmonizer and the files of the models folder."""
    files = folder_paths.get_filename_list(FOLDER)
    return [EMBEDDED, *(name for name in files if name.endswith(".safetensors"))]


def load_harmonizer(name: str) -> RoutedHarmonizer:
    """A harmonizer by its name in `harmonizer_names`.

    Raises:
        FileNotFoundError: when its file is missing.
        ValueError: when its file is damaged or holds something else.
    """
    embedded = name == EMBEDDED
    path = shipped_weights(MANIFEST) if embedded else Path(folder_paths.get_full_path_or_raise(FOLDER, name))
    return RoutedHarmonizer(name, HostNetwork(read_network(path)))


def harmonize(
    harmonizer: RoutedHarmonizer,
    image: Tensor,
    mask: Tensor,
    *,
    importance: Tensor | None = None,
    judge: HarmonyEvaluator | None = None,
    strength: float = 1.0,
    local: bool = True,
) -> Harmonized:
    """Every picture of a batch by itself.

    Args:
        harmonizer: the network.
        image: [B,H,W,3], sRGB in 0-1.
        mask: MASK of its size, one or one for each picture, 1 on the object.
        importance: S, one or one for each picture; None finds it by the embedded instances.
        judge: None applies the strength as it is. Else its score chooses among the shares of it in JUDGED.
        strength: see `Proposal.applied`.
        local: see `Proposal.applied`.

    Raises:
        InputError: when a mask does not fit, is empty or covers everything.
    """
    mask = check_mask(mask, image)
    planes = None if importance is None else check_importance(importance, image)
    report = progress(len(image))
    out = torch.empty_like(image, memory_format=torch.contiguous_format)
    luts, strengths, scores = [], [], []
    for row, (picture, own_mask) in enumerate(zip(image, mask, strict=True)):
        plane = importance_of(picture, own_mask) if planes is None else planes[row]
        proposal = harmonizer.look(picture, own_mask, plane)
        made = partial(version_of, proposal, picture, own_mask, strength, local)
        scored = () if judge is None else scores_of(judge, lambda share, made=made: made(share).image, own_mask)
        version = made(share_of(scored) if scored else 1.0)
        out[row] = version.image
        luts.append(version.lut)
        strengths.append(version.strength)
        scores.append(scored)
        report(row + 1, len(image))
    return Harmonized(out, tuple(luts), tuple(strengths), tuple(scores))


def _reason(strength: float, scores: tuple[float, ...]) -> str:
    if not scores:
        return f"strength {strength:g}"
    shares = ", ".join(f"{score:.3f} at {share:.0%}" for share, score in zip(JUDGED, scores, strict=True))
    told = f"strength {strength:g}; scores by how much of the change is made: {shares}"
    return told if strength else f"{told}. {UNCHANGED}"


def proposals(harmonizer: RoutedHarmonizer, image: Tensor, mask: Tensor) -> list[tuple[str, Tensor]]:
    """What a loop may take or start from: what `harmonize` makes of one picture at the strengths in PROPOSED.

    Args:
        harmonizer: the network.
        image: [1,H,W,3], sRGB in 0-1.
        mask: MASK of its size, 1 on the object.

    Returns:
        Words that say how each was made, and the picture, [1,H,W,3].

    Raises:
        InputError: for more than one picture, or when the mask does not fit, is empty or covers everything.
    """
    require_one_picture(image)
    (mask,) = check_mask(mask, image)
    proposal = harmonizer.look(image[0], mask, importance_of(image[0], mask))
    return [
        (f"routed, strength {strength:g}", proposal.applied(image[0], mask, strength)[0][None]) for strength in PROPOSED
    ]


def proposer(harmonizer: RoutedHarmonizer) -> Proposer:
    """What a sequence asks at its key frames: the global change."""

    def propose(frame: Tensor, mask: Tensor) -> Change:
        transform = harmonizer.look(frame, mask, importance_of(frame, mask)).transform
        return lambda strength: global_lut(transform.scaled(strength))

    return propose


@dataclass(frozen=True)
class Version:
    """One picture, changed by some strength."""

    image: Tensor  # [H,W,3]
    lut: ColorLUT
    strength: float


def version_of(proposal: Proposal, image: Tensor, mask: Tensor, strength: float, local: bool, share: float) -> Version:
    """A picture [H,W,3] with its object [H,W] changed by a share of the strength."""
    applied = share * strength
    return Version(*proposal.applied(image, mask, applied, local), applied)


def scores_of(judge: HarmonyEvaluator, made: Callable[[float], Tensor], mask: Tensor) -> tuple[float, ...]:
    """The judge's scores of the pictures [H,W,3] that `made` gives at all of JUDGED, one at a time in memory."""
    return tuple(float(judge.score(made(share)[None], mask[None])) for share in JUDGED)


def share_of(scores: Sequence[float]) -> float:
    """Which of JUDGED to take by their scores: as in the loop, the weakest that gains enough, if any gains enough."""
    return JUDGED[answer(scores, CHOICE, proposals=len(JUDGED) - 1)]


def importance_of(image: Tensor, mask: Tensor) -> Tensor:
    """S [H,W] of one picture [H,W,3], by the embedded instances."""
    with torch.inference_mode():
        return importance_map(find_instances(image, mask, instance_backbone()), image.shape[:2]).to(image)
