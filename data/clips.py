"""Clips: video files through PyAV, and folders of pictures. Frames come and go one by one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import repeat
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from av.codec import Codec
from av.error import FFmpegError
from av.video.stream import VideoStream
from torch import Tensor

from .pictures import SUFFIXES, decode_mask, decode_picture, encode_picture, lossless_suffix

# Codec of the source -> encoder and its options; all others become H.264. Their loss is hard to see.
ENCODERS: dict[str, tuple[str, dict[str, str]]] = {
    "h264": ("libx264", {"crf": "14"}),
    "hevc": ("libx265", {"crf": "16", "x265-params": "log-level=error"}),
    "vp9": ("libvpx-vp9", {"crf": "18", "b:v": "0"}),
    "prores": ("prores_ks", {}),
    "ffv1": ("ffv1", {}),
}
COPIED = "audio", "subtitle"  # kinds of streams


def read_frames(place: Path) -> Iterator[Tensor]:
    """The frames of a video file or of a folder of pictures, each [H,W,3] in 0-1, upright.

    Raises:
        FileNotFoundError: when there is nothing.
        ValueError: when it cannot be read.
    """
    if place.is_dir():
        for path in _pictures(place):
            yield _decoded(path, lambda data: decode_picture(data).colors())
        return
    with _opened(place) as container:
        for frame in container.decode(_video(container, place)):
            yield _colors(frame)


def read_masks(place: Path) -> Iterator[Tensor]:
    """Masks [H,W] in 0-1: a video's brightness, the pictures of a folder, or one picture again and again without end.

    Raises:
        FileNotFoundError, ValueError: as `read_frames`.
    """
    if place.is_dir():
        yield from (_decoded(path, decode_mask) for path in _pictures(place))
    elif is_endless(place):
        yield from repeat(_decoded(place, decode_mask))
    else:
        yield from (frame.mean(-1) for frame in read_frames(place))


def paired(frames: Iterator[Tensor], masks: Iterator[Tensor], endless: bool) -> Iterator[tuple[Tensor, Tensor]]:
    """Each frame [H,W,3] with its mask [H,W].

    Args:
        frames: of a clip.
        masks: of the clip.
        endless: whether there may be more masks than frames.

    Raises:
        ValueError: when their numbers or sizes differ.
    """
    number = -1
    for number, frame in enumerate(frames):
        mask = next(masks, None)
        if mask is None:
            raise ValueError(
                f"the masks end at frame {number}, and the clip goes on: give a mask for each frame, or one"
            )
        if mask.shape != frame.shape[:2]:
            raise ValueError(
                f"the mask of frame {number} is {mask.shape[1]}x{mask.shape[0]}, expected "
                f"{frame.shape[1]}x{frame.shape[0]} like the clip"
            )
        yield frame, mask
    if not endless and next(masks, None) is not None:
        raise ValueError(f"the clip ends after {number + 1} frames, and there are more masks: give one for each frame")


def is_endless(masks: Path) -> bool:
    """Whether masks are one picture for all frames."""
    return masks.is_file() and masks.suffix.lower() in SUFFIXES and masks.suffix.lower() != ".gif"


def count_frames(place: Path) -> int | None:
    """As far as the file tells without reading it all."""
    if place.is_dir():
        return len(_pictures(place))
    with _opened(place) as container:
        return _video(container, place).frames or None


def rewrite(place: Path, out: Path, change: Callable[[Tensor], Tensor]) -> None:
    """Write a clip again with changed frames: a video file with its sound, or a folder of pictures.

    A video's frames keep their times, depth and color space. It is compressed anew, so that all of it changes a
    little; pictures lose nothing.

    Args:
        place: video file or folder of pictures.
        out: likewise.
        change: makes a new frame [H,W,3] of each frame; they come in order.
    """
    if place.is_dir():
        out.mkdir(parents=True, exist_ok=True)
        for path in _pictures(place):
            picture = _decoded(path, decode_picture)
            suffix = lossless_suffix(path.name)
            data = encode_picture(picture.with_colors(change(picture.colors())), suffix)
            (out / f"{path.stem}{suffix}").write_bytes(data)
        return
    part = out.with_name(f".{out.stem}.part{out.suffix}")
    try:
        with _opened(place) as source, _created(part) as target:
            _copy(source, target, _video(source, place), _first_frame(place), change)
        os.replace(part, out)
    except FFmpegError as error:
        raise ValueError(f"{place} cannot be written as {out.name}: {error}.") from error
    finally:
        part.unlink(missing_ok=True)


def _copy(source: Any, target: Any, video: VideoStream, first: Any, change: Callable[[Tensor], Tensor]) -> None:
    """Frames through `change`, all other packets as they are; `first` is the first frame."""
    encoder, options = ENCODERS.get(video.codec_context.name, ENCODERS["h264"])
    written = target.add_stream(encoder, rate=video.average_rate, options=options)
    written.pix_fmt = _format(video, encoder)
    written.height, written.width = _colors(first).shape[:2]
    written.codec_context.time_base = video.time_base
    _tag(written.codec_context, first)
    others = {stream.index: stream for stream in source.streams if stream.type in COPIED}
    copies = {index: target.add_stream_from_template(stream) for index, stream in others.items()}
    for packet in source.demux([video, *others.values()]):
        if packet.stream.index in copies:
            if packet.dts is not None:
                packet.stream = copies[packet.stream.index]
                target.mux(packet)
            continue
        for frame in packet.decode():
            target.mux(written.encode(_frame(change(_colors(frame)), frame, written.pix_fmt)))
    target.mux(written.encode(None))


def _tag(context: Any, frame: Any) -> None:
    context.color_range, context.colorspace = frame.color_range, frame.colorspace
    context.color_primaries, context.color_trc = frame.color_primaries, frame.color_trc


def _format(video: VideoStream, encoder: str) -> str:
    """The pixel format of the source, or what the encoder has of its depth."""
    known = [form.name for form in Codec(encoder, "w").video_formats or ()]
    own = video.codec_context.pix_fmt
    if own is not None and own in known:
        return own
    deep = own is not None and av.VideoFormat(own).components[0].bits > 8
    return next((form for form in known if deep and form.startswith("yuv") and "10" in form), "yuv420p")


def _colors(frame: Any) -> Tensor:
    """[H,W,3] in 0-1, upright."""
    deep = frame.format.components[0].bits > 8
    values = frame.to_ndarray(format="rgb48le" if deep else "rgb24")
    values = np.rot90(values, frame.rotation // 90)  # both count counterclockwise
    return torch.from_numpy(values.astype(np.float32)) / (65535 if deep else 255)


def _frame(colors: Tensor, like: Any, form: str) -> Any:
    """A frame of colors [H,W,3] with the time and the color space of another."""
    values = (colors.cpu().double().clamp(0, 1) * 65535).round().numpy().astype(np.uint16)
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(values), format="rgb48le")
    frame = frame.reformat(format=form, dst_colorspace=like.colorspace, dst_color_range=like.color_range)
    frame.pts, frame.time_base = like.pts, like.time_base
    return frame


def _opened(place: Path) -> Any:
    try:
        return av.open(str(place))
    except FileNotFoundError:
        raise FileNotFoundError(f"There is no clip {place}.") from None
    except (FFmpegError, OSError) as error:
        raise ValueError(f"{place} is no video, or damaged: {error}") from error


def _created(place: Path) -> Any:
    try:
        return av.open(str(place), "w")
    except ValueError as error:
        raise ValueError(
            f"'{place.suffix}' is no kind of video file that can be written. Choose .mp4 or .mkv."
        ) from error


def _first_frame(place: Path) -> Any:
    with _opened(place) as container:
        frame = next(container.decode(_video(container, place)), None)
    if frame is None:
        raise ValueError(f"{place} holds no frame")
    return frame


def _video(container: Any, place: Path) -> VideoStream:
    if not container.streams.video:
        raise ValueError(f"{place} holds no video")
    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    return stream


def _pictures(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if not found:
        raise FileNotFoundError(f"There is no picture in {folder}.")
    return found


def _decoded(path: Path, decode: Callable[[bytes], Any]) -> Any:
    try:
        return decode(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
