"""Clips for tests: an object that moves through a photograph whose light changes, and a cut to another photograph."""

from pathlib import Path

import av
import numpy as np
import torch
from PIL import Image
from torch.nn.functional import interpolate

from diff_harmonization.data.photos import read_image, read_mask

EXAMPLES = Path(__file__).resolve().parents[2] / "workflows" / "examples"
SIDE = 144


def moving_clip(frames=24, side=SIDE, names=("tree_golden", "person_mountain")):
    """Frames [B,S,S,3] and masks [B,S,S]: half of the frames in each photograph, light going up and down by a third."""
    pictures, masks = [], []
    for name in names:
        scene, own = (
            _small(read_image(EXAMPLES / name / "composite.jpg"), side),
            read_mask(EXAMPLES / name / "mask.png"),
        )
        own = _small(own[..., None].expand(-1, -1, 3), side)[..., 0]
        for number in range(frames // len(names)):
            shift = round(side * 0.15 * np.sin(2 * np.pi * number / 24))
            mask = own.roll(shift, 1)
            picture = torch.lerp(scene, scene.roll(shift, 1), mask[..., None])
            light = 1 + 0.17 * np.sin(2 * np.pi * number / 16)
            pictures.append((picture * light).clamp(0, 1))
            masks.append(mask)
    return torch.stack(pictures), torch.stack(masks)


def _small(image, side):
    return interpolate(image.movedim(-1, 0)[None], (side, side), mode="area")[0].movedim(0, -1)


def write_video(path, frames, rate=24, codec="libx264", pix_fmt="yuv420p", sound=False, colorspace=None):
    """Write frames [B,H,W,3] as a video; with a tone of a second for each 24 frames where there is sound."""
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=rate, options={"crf": "4"} if codec == "libx264" else {})
        video.height, video.width = frames.shape[1:3]
        video.pix_fmt = pix_fmt
        if colorspace is not None:
            video.codec_context.colorspace = colorspace
        tone = container.add_stream("aac", rate=48000, layout="mono") if sound else None
        for frame in frames:
            values = (frame.double() * 65535).round().numpy().astype(np.uint16)
            picture = av.VideoFrame.from_ndarray(values, format="rgb48le")
            picture = picture.reformat(format=pix_fmt, dst_colorspace=colorspace)
            container.mux(video.encode(picture))
        container.mux(video.encode(None))
        if tone is not None:
            count = 48000 * len(frames) // rate
            wave = (0.3 * np.sin(np.arange(count) / 10)).astype(np.float32)
            for start in range(0, count, 1024):
                sound_frame = av.AudioFrame.from_ndarray(wave[None, start : start + 1024], format="fltp", layout="mono")
                sound_frame.sample_rate, sound_frame.pts = 48000, start
                container.mux(tone.encode(sound_frame))
            container.mux(tone.encode(None))
    return path


def write_pictures(folder, frames):
    """Write frames [B,H,W,3] or masks [B,H,W] as numbered PNG files of 8 bits."""
    folder.mkdir()
    for number, frame in enumerate(frames):
        Image.fromarray((frame * 255).round().to(torch.uint8).numpy()).save(folder / f"{number:04}.png")
    return folder
