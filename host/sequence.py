"""A sequence of frames, by any method that gives LUTs: one for each key frame, one strength for each shot."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..color.apply import apply_lut
from ..color.lut import ColorLUT, grid_colors
from ..color.sequence import Change, CutFinder, Proposer, Shot, smoothed
from ..core.errors import InputError
from ..core.masks import foreground
from ..evaluator.model import HarmonyEvaluator
from ..methods.routed.apply import LUT_SIZE
from .image import as_batch
from .judged import JUDGED, scores_of, share_of
from .sampling.progress import progress

INTERVAL = 12  # frames from key frame to key frame
LEAST_SHARE = 1e-4  # of a frame, that a key frame's object covers
UNCHANGED = Shot((), lambda place: ColorLUT(grid_colors(LUT_SIZE)))


@dataclass(frozen=True)
class KeyFrame:
    """What the method and the judge say of one frame."""

    number: int
    change: Change
    scores: tuple[float, ...]  # the judge's, at each of JUDGED; empty without a judge


@dataclass
class _Open:
    """A shot whose frames are still coming."""

    start: int
    keys: list[KeyFrame] = field(default_factory=list)


@dataclass(frozen=True)
class Look:
    """How a sequence changes."""

    shots: tuple[Shot, ...]
    starts: tuple[int, ...]  # number of each shot's first frame
    strengths: tuple[float, ...]  # of each shot
    scores: tuple[tuple[float, ...], ...]  # the judge's mean over a shot's key frames, at each of JUDGED

    def lut(self, number: int) -> ColorLUT | None:
        """The LUT of a frame by its number, counted from 0; None changes nothing."""
        shot = max(index for index, start in enumerate(self.starts) if start <= number)
        return self.shots[shot].at(number)

    def key_luts(self) -> list[ColorLUT]:
        """The LUT of each key frame, in their order; of a shot that stays as it is, one LUT that changes nothing."""
        return [shot.key_lut(place) for shot in self.shots for place in range(max(1, len(shot.times)))]

    def summary(self) -> str:
        """A line for each shot."""
        lines = []
        for shot, start, strength, scores in zip(self.shots, self.starts, self.strengths, self.scores, strict=True):
            told = f"from frame {start}: {len(shot.times)} key frames, strength {strength:g}"
            shares = ", ".join(f"{score:.3f} at {share:.0%}" for share, score in zip(JUDGED, scores, strict=False))
            lines.append(f"{told}; scores {shares}" if scores else told)
        return "\n".join(lines)


class SequenceReader:
    """Takes the frames of a sequence one after another, and gives the look of all. It keeps no frame but the last.

    Args:
        propose: the method.
        judge: chooses each shot's strength by its mean score over the key frames; None applies it as it is.
        strength: 0 changes nothing, 1 is what the method proposes.
        interval: frames from key frame to key frame; the first and the last frame of a shot are key frames, too.

    Raises:
        InputError: when the strength is below 0, or the interval below 1.
    """

    def __init__(
        self,
        propose: Proposer,
        judge: HarmonyEvaluator | None = None,
        strength: float = 1.0,
        interval: int = INTERVAL,
    ) -> None:
        if strength < 0:
            raise InputError("strength", f"got {strength}, expected 0 or more.")
        if interval < 1:
            raise InputError("interval", f"got {interval}, expected at least 1.")
        self.propose, self.judge, self.strength, self.interval = propose, judge, strength, interval
        self._cuts, self._shots, self._count = CutFinder(), [], 0
        self._last: tuple[Tensor, Tensor, int] | None = None  # the latest that shows the object, where it is no key

    def add(self, frame: Tensor, mask: Tensor) -> None:
        """The next frame [H,W,3], sRGB in 0-1, with its mask [H,W], which is empty where the object is not seen."""
        if self._cuts(frame):
            self._take_last()
            self._shots.append(_Open(self._count))
        shot = self._shots[-1]
        due = not shot.keys or self._count - shot.keys[-1].number >= self.interval
        if _shows_object(mask):
            self._last = frame, mask, self._count
            if due:
                self._take_last()
        self._count += 1

    def look(self) -> Look:
        """The look of all frames that came."""
        self._take_last()
        found = [self._finished(shot.keys) for shot in self._shots]
        shots, strengths, scores = zip(*found, strict=True) if found else ((), (), ())
        return Look(tuple(shots), tuple(shot.start for shot in self._shots), tuple(strengths), tuple(scores))

    def _take_last(self) -> None:
        """The last frame that shows the object becomes a key frame, unless it is one."""
        if self._last is not None:
            frame, mask, number = self._last
            frame = frame[..., :3].float()
            if (change := self.propose(frame, mask)) is not None:
                self._shots[-1].keys.append(KeyFrame(number, change, self._scores(change, frame, mask)))
            self._last = None

    def _scores(self, change: Change, frame: Tensor, mask: Tensor) -> tuple[float, ...]:
        if self.judge is None:
            return ()
        return scores_of(self.judge, lambda share: changed(frame, mask, change, share * self.strength), mask)

    def _finished(self, keys: list[KeyFrame]) -> tuple[Shot, float, tuple[float, ...]]:
        """A shot's LUTs, its strength, and the judge's mean scores."""
        if not keys:
            return UNCHANGED, 0.0, ()
        strength, scores = self.strength, ()
        if self.judge is not None:
            scores = tuple(sum(several) / len(keys) for several in zip(*(key.scores for key in keys), strict=True))
            strength *= share_of(scores)
        if strength == 0:
            return UNCHANGED, 0.0, scores
        luts = smoothed(lambda place: keys[place].change(strength), len(keys))
        return Shot(tuple(key.number for key in keys), luts), strength, scores


def changed(frame: Tensor, mask: Tensor, change: Change, strength: float) -> Tensor:
    """A frame [H,W,3] with its object [H,W] changed; at strength 0 it stays to the bit."""
    return apply_lut(frame[None], change(strength), mask[None])[0] if strength else frame


def apply_look(look: Look, number: int, frame: Tensor, mask: Tensor) -> Tensor:
    """A frame [H,W,3] of a sequence by its number, with its object [H,W] changed; elsewhere it stays to the bit."""
    lut = look.lut(number)
    return frame if lut is None else apply_lut(frame[None], lut, mask[None])[0]


@torch.inference_mode()
def harmonize_sequence(
    propose: Proposer,
    image: Tensor,
    mask: Tensor,
    *,
    judge: HarmonyEvaluator | None = None,
    strength: float = 1.0,
    interval: int = INTERVAL,
) -> tuple[Tensor, Look]:
    """A sequence in memory.

    Args:
        propose: the method.
        image: [B,H,W,3], sRGB in 0-1, the frames in their order.
        mask: MASK of their size, one or one for each frame.
        judge, strength, interval: see `SequenceReader`.

    Raises:
        InputError: when a mask does not fit, or no frame shows an object and a scene.
    """
    mask = _masks(mask, image)
    reader, report, count = SequenceReader(propose, judge, strength, interval), progress(2 * len(image)), len(image)
    for number, (frame, plane) in enumerate(zip(image, mask, strict=True), 1):
        reader.add(frame, plane)
        report(number, 2 * count)
    look, out = reader.look(), torch.empty_like(image, memory_format=torch.contiguous_format)
    for number, (frame, plane) in enumerate(zip(image, mask, strict=True)):
        out[number] = apply_look(look, number, frame, plane)
        report(count + number + 1, 2 * count)
    return out, look


def _masks(mask: Tensor, image: Tensor) -> Tensor:
    """One mask for each frame. Some may be empty, unlike `check_mask`'s: an object may leave the picture."""
    mask = as_batch(mask)
    if mask.shape[1:] != image.shape[1:3] or len(mask) not in (1, len(image)):
        (frames, height, width), (count, own_height, own_width) = image.shape[:3], mask.shape
        raise InputError(
            "mask",
            f"got {count} of {own_width}x{own_height}, expected one or {frames} of {width}x{height} like the frames.",
        )
    mask = mask.expand(len(image), -1, -1)
    if not any(map(_shows_object, mask)):
        raise InputError("mask", "no frame has a mask that covers a part of it. It must be 1 on the object, else 0.")
    return mask


def _shows_object(mask: Tensor) -> bool:
    """Whether a mask [H,W] has an object that is worth a look, and a scene around it."""
    return LEAST_SHARE < float(foreground(mask).float().mean()) < 1
