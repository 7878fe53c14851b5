"""`video`: a clip, or a folder of frames."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import torch
import typer

from ..data.clips import count_frames, is_endless, paired, read_frames, read_masks, rewrite
from ..data.output import JsonOption, Output, ThreadsOption
from .methods import ClipMethodName, make_proposer


def video(
    clip: Annotated[Path, typer.Argument(help="A video file, or a folder of frames.")],
    masks: Annotated[
        Path,
        typer.Argument(help="White on the object: a video or a folder with as many frames, or one picture for all."),
    ],
    method: Annotated[
        ClipMethodName,
        typer.Option(
            help="auto: the routed network, and the evaluator chooses how much to change each shot. routed: the routed "
            "network alone. diffharmony: the small DiffHarmony that ships with the pack; routed does better."
        ),
    ] = "auto",
    strength: Annotated[float, typer.Option(min=0, max=2, help="How much to change: 0 is nothing.")] = 1.0,
    interval: Annotated[int, typer.Option(min=1, help="Frames from key frame to key frame.")] = 12,
    out: Annotated[Path | None, typer.Option(help="The result; by default CLIP_harmonized.")] = None,
    threads: ThreadsOption = 1,
    json: JsonOption = False,
) -> None:
    """Harmonize a clip: one look for each key frame, blended in time. Sound is copied."""
    output = Output(json)
    with output.errors():
        place = out or clip.with_name(f"{clip.stem}_harmonized{clip.suffix}")
        if place.resolve() == clip.resolve():
            raise ValueError(f"--out {place} is the clip itself.")
        propose, judge = make_proposer(method, threads)
        from ..host.sequence import SequenceReader, apply_look

        reader = SequenceReader(propose, judge, strength, interval)
        endless, begun, count = is_endless(masks), time.monotonic(), 0
        with output.progress() as progress, torch.inference_mode():
            looking = progress.add_task("looking", total=count_frames(clip))
            for frame, mask in paired(read_frames(clip), read_masks(masks), endless):
                reader.add(frame, mask)
                progress.advance(looking)
                count += 1
            look, planes, numbers = reader.look(), read_masks(masks), iter(range(count))
            writing = progress.add_task("writing", total=count)

            def change(frame: torch.Tensor) -> torch.Tensor:
                progress.advance(writing)
                return apply_look(look, next(numbers), frame, next(planes))

            rewrite(clip, place, change)
        each = (time.monotonic() - begun) / max(1, count)
        facts = {"frames": count, "shots": list(look.starts), "strengths": list(look.strengths)}
        words = f"{place}\n{count} frames, {each:.3f} s each\n{look.summary()}"
        output.tell(words, result=str(place), seconds_per_frame=round(each, 4), **facts)
