"""Pictures as files: what a studio's file holds beside its colors comes back out. For Pillow, 16 bits go through PyAV.

Values are taken as they stand in the file, in whatever space its profile names; the profile goes with them.
"""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import torch
from PIL import ExifTags, Image, ImageOps, TiffImagePlugin
from PIL.PngImagePlugin import putchunk
from torch import Tensor

SUFFIXES = (".avif", ".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")  # that count as pictures
WRITTEN = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp")
GRAY_OR_RGB = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "I;16", "I;16L", "I;16B", "I")
UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, Image.DecompressionBombError)
ORIENTATION = ExifTags.Base.Orientation
# What a camera or a person wrote; the other tags of a TIFF say where its pixels lie.
KEPT_TAGS = (
    ExifTags.Base.ImageDescription,
    ExifTags.Base.Make,
    ExifTags.Base.Model,
    ExifTags.Base.Software,
    ExifTags.Base.DateTime,
    ExifTags.Base.Artist,
    ExifTags.Base.Copyright,
    ExifTags.Base.XResolution,
    ExifTags.Base.YResolution,
    ExifTags.Base.ResolutionUnit,
)
KEPT_IFDS = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)


@dataclass(frozen=True)
class Picture:
    """A picture in memory, upright."""

    pixels: np.ndarray  # [H,W,3], uint8 or uint16, as its file has them
    alpha: np.ndarray | None = None  # [H,W] of the same type
    profile: bytes | None = None  # ICC
    exif: bytes | None = None  # without the orientation

    @property
    def deep(self) -> bool:
        """Whether it has 16 bits for each value."""
        return self.pixels.dtype == np.uint16

    @property
    def peak(self) -> int:
        return int(np.iinfo(self.pixels.dtype).max)

    def colors(self) -> Tensor:
        """[H,W,3] in 0-1."""
        return torch.from_numpy(self.pixels.astype(np.float32)) / self.peak

    def with_colors(self, colors: Tensor) -> Picture:
        """The same picture in other colors, [H,W,3] in 0-1. A value that did not change comes back as it was."""
        values = (colors.detach().cpu().double().clamp(0, 1) * self.peak).round()
        return replace(self, pixels=values.numpy().astype(self.pixels.dtype))


def decode_picture(data: bytes) -> Picture:
    """A picture from the bytes of its file, upright.

    Raises:
        ValueError: when it is damaged, too large, animated, or neither gray nor RGB. It says what to do.
    """
    with _opened(data) as file:
        if getattr(file, "n_frames", 1) > 1:
            raise ValueError(f"it holds {file.n_frames} pictures (animated, or of several pages): give one picture")
        if file.mode not in GRAY_OR_RGB:
            raise ValueError(f"its colors are {file.mode}, expected RGB or gray: convert it to RGB first")
        _load(file)  # finds a file that ends too early, whoever reads the pixels
        exif, profile = file.getexif(), file.info.get("icc_profile")
        turn = exif.get(ORIENTATION, 1)
        alpha = file.has_transparency_data
        if _is_deep(file, data):
            values = _turned(_deep_values(data, file.format or "", alpha), turn)
        else:
            values = np.asarray(ImageOps.exif_transpose(file).convert("RGBA" if alpha else "RGB"))
    # A gray picture's profile does not fit the RGB that it becomes.
    kept = profile if profile and profile[16:20] == b"RGB " else None
    return Picture(values[..., :3], values[..., 3] if alpha else None, kept, _kept_exif(exif))


def decode_mask(data: bytes) -> Tensor:
    """A mask [H,W] in 0-1 from the bytes of its file: how bright it is, over black where it is transparent.

    Raises:
        ValueError: as `decode_picture`.
    """
    picture = decode_picture(data)
    values = picture.colors()
    gray = values[..., 0] if (values == values[..., :1]).all() else values @ torch.tensor([0.299, 0.587, 0.114])
    return gray if picture.alpha is None else gray * torch.from_numpy(picture.alpha.astype(np.float32)) / picture.peak


def encode_picture(picture: Picture, suffix: str) -> bytes:
    """The bytes of a file. PNG, TIFF and WebP lose nothing of 8 bits, PNG and TIFF nothing of 16.

    Args:
        picture: the picture.
        suffix: that the file's name will have, such as ".png".

    Raises:
        ValueError: for a kind of file that cannot hold the picture.
    """
    suffix = suffix.lower()
    if suffix not in WRITTEN:
        raise ValueError(f"cannot write '{suffix}' files, expected one of {', '.join(WRITTEN)}")
    if picture.deep and suffix not in (".png", ".tif", ".tiff"):
        raise ValueError(f"a '{suffix}' file cannot hold 16 bits: write .png or .tif")
    if picture.alpha is not None and suffix in (".jpg", ".jpeg"):
        raise ValueError(f"a '{suffix}' file cannot hold an alpha channel: write .png or .tif")
    if suffix in (".tif", ".tiff"):
        return _tiff(picture)
    if picture.deep:
        return _deep_png(picture)
    options: dict[str, Any] = {
        ".png": {"format": "PNG", "compress_level": 4},
        ".webp": {"format": "WEBP", "lossless": True, "exact": True},
    }.get(suffix, {"format": "JPEG", "quality": 95, "subsampling": 0})
    if picture.profile:
        options["icc_profile"] = picture.profile
    if picture.exif is not None:
        options["exif"] = picture.exif
    buffer = io.BytesIO()
    Image.fromarray(_with_alpha(picture)).save(buffer, **options)
    return buffer.getvalue()


def lossless_suffix(name: str) -> str:
    """The suffix of a file that loses nothing of the named picture: TIFF stays TIFF, all others become PNG."""
    suffix = PurePosixPath(name).suffix.lower()
    return suffix if suffix in (".tif", ".tiff") else ".png"


def _opened(data: bytes) -> Image.Image:
    if not data:
        raise ValueError("the file is empty")
    try:
        return Image.open(io.BytesIO(data))
    except Image.DecompressionBombError as error:
        raise ValueError(f"it is too large: {error}".split(", could be")[0]) from error
    except Image.UnidentifiedImageError as error:
        raise ValueError("it is no picture, or damaged") from error
    except UNREADABLE as error:
        raise ValueError(f"it cannot be read: {error}") from error


def _load(file: Image.Image) -> None:
    try:
        file.load()
    except UNREADABLE as error:
        raise ValueError(f"it is damaged: {error}") from error


def _is_deep(file: Image.Image, data: bytes) -> bool:
    if file.format == "PNG":
        return data[24] == 16  # IHDR's bit depth
    if isinstance(file, TiffImagePlugin.TiffImageFile):
        bits = max(file.tag_v2.get(TiffImagePlugin.BITSPERSAMPLE, (8,)))
        if bits > 16:
            raise ValueError(f"it has {bits} bits for each value, expected 8 or 16: convert it first")
        return bits == 16
    return False


def _deep_values(data: bytes, kind: str, alpha: bool) -> np.ndarray:
    """[H,W,3 or 4], uint16. Pillow would cut them to 8 bits."""
    import av
    from av.error import FFmpegError

    form = {"PNG": "png_pipe", "TIFF": "tiff_pipe"}[kind]
    try:
        with av.open(io.BytesIO(data), format=form) as container:
            frame = next(container.decode(video=0))
            return frame.to_ndarray(format="rgba64le" if alpha else "rgb48le")
    except (FFmpegError, StopIteration, ValueError) as error:
        raise ValueError(f"its 16 bits cannot be read: {error}") from error


def _turned(values: np.ndarray, orientation: int) -> np.ndarray:
    """Values [H,W,C] as their EXIF orientation says that they are to be looked at."""
    if orientation in (2, 4, 5, 7):
        values = values[:, ::-1]
    quarters = {3: 2, 4: 2, 5: 1, 6: 3, 7: 3, 8: 1}.get(orientation, 0)
    return np.ascontiguousarray(np.rot90(values, quarters))


def _kept_exif(exif: Image.Exif) -> bytes | None:
    kept = Image.Exif()
    for tag in KEPT_TAGS:
        if tag in exif:
            kept[tag] = exif[tag]
    for number in KEPT_IFDS:
        if found := exif.get_ifd(number):
            kept[number] = dict(found)
    return kept.tobytes() if len(kept) else None


def _with_alpha(picture: Picture) -> np.ndarray:
    return picture.pixels if picture.alpha is None else np.dstack((picture.pixels, picture.alpha))


def _deep_png(picture: Picture) -> bytes:
    """A PNG of 16 bits (ISO/IEC 15948), which Pillow does not write in colors; each row as the change from the last."""
    values = _with_alpha(picture)
    height, width, channels = values.shape
    rows = values.astype(">u2").view(np.uint8).reshape(height, -1)
    changes = np.diff(rows, axis=0, prepend=np.zeros((1, rows.shape[1]), np.uint8))
    filtered = np.hstack((np.full((height, 1), 2, np.uint8), changes))  # 2: the filter "up"
    file = io.BytesIO()
    file.write(b"\x89PNG\r\n\x1a\n")
    putchunk(file, b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 6 if channels == 4 else 2, 0, 0, 0))
    if picture.profile:
        putchunk(file, b"iCCP", b"ICC Profile\0\0" + zlib.compress(picture.profile))
    if picture.exif is not None:
        putchunk(file, b"eXIf", picture.exif.removeprefix(b"Exif\0\0"))
    putchunk(file, b"IDAT", zlib.compress(filtered.tobytes(), 4))
    putchunk(file, b"IEND", b"")
    return file.getvalue()


def _tiff(picture: Picture) -> bytes:
    """A TIFF (TIFF 6.0) of one deflated strip of differences. Pillow writes no 16 bits in colors, and no EXIF of a
    compressed file."""
    values = _with_alpha(picture)
    height, width, channels = values.shape
    changes = np.diff(values, axis=1, prepend=np.zeros((height, 1, channels), values.dtype))
    strip = zlib.compress(changes.astype(values.dtype.newbyteorder("<")).tobytes(), 4)
    tags, exif = TiffImagePlugin.ImageFileDirectory_v2(prefix=b"II"), Image.Exif()
    exif.load(picture.exif or b"")
    for tag, value in exif.items():
        tags[tag] = exif.get_ifd(tag) if tag in KEPT_IFDS else value
    tags[TiffImagePlugin.IMAGEWIDTH], tags[TiffImagePlugin.IMAGELENGTH] = width, height
    tags[TiffImagePlugin.BITSPERSAMPLE] = (8 * values.itemsize,) * channels
    tags[TiffImagePlugin.SAMPLESPERPIXEL] = channels
    tags[TiffImagePlugin.COMPRESSION], tags[TiffImagePlugin.PREDICTOR] = 8, 2  # deflate, horizontal differences
    tags[TiffImagePlugin.PHOTOMETRIC_INTERPRETATION] = 2  # RGB
    tags[TiffImagePlugin.ROWSPERSTRIP] = height
    tags[TiffImagePlugin.STRIPOFFSETS], tags[TiffImagePlugin.STRIPBYTECOUNTS] = 0, len(strip)
    if channels == 4:
        tags[TiffImagePlugin.EXTRASAMPLES] = 2  # alpha that the colors are not multiplied with
    if picture.profile:
        tags.tagtype[TiffImagePlugin.ICCPROFILE] = 7  # bytes
        tags[TiffImagePlugin.ICCPROFILE] = picture.profile
    file = io.BytesIO()
    tags.save(file)
    file.write(strip)
    return file.getvalue()
