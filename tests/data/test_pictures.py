"""What a picture's file holds comes back out of the file that is written."""

import io

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import ExifTags, Image, ImageCms, ImageOps, TiffImagePlugin

from diff_harmonization.data.pictures import (
    WRITTEN,
    Picture,
    decode_mask,
    decode_picture,
    encode_picture,
    lossless_suffix,
)

LOSSLESS = (".png", ".tif", ".tiff", ".webp")
EXPOSURE, TAKEN = ExifTags.Base.ISOSpeedRatings, ExifTags.Base.DateTimeOriginal


@pytest.fixture(scope="module")
def profile():
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.fixture(scope="module")
def exif():
    exif = Image.Exif()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Copyright] = "Camera", "Somebody"
    exif[ExifTags.IFD.Exif] = {EXPOSURE: 200, TAKEN: "2020:01:02 03:04:05"}
    exif[ExifTags.IFD.GPSInfo] = {ExifTags.GPS.GPSLatitudeRef: "N"}
    return exif.tobytes()


def noise(deep, channels=4, size=(20, 30)):
    kind, peak = (np.uint16, 65536) if deep else (np.uint8, 256)
    return np.random.default_rng(0).integers(0, peak, (*size, channels)).astype(kind)


def a_picture(deep, alpha, profile=None, exif=None):
    values = noise(deep)
    return Picture(values[..., :3], values[..., 3] if alpha else None, profile, exif)


def saved(picture, kind, **options):
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("suffix", LOSSLESS)
@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("deep", [False, True])
def test_a_file_gives_back_every_value_and_what_lies_beside(deep, alpha, suffix, profile, exif):
    if deep and suffix == ".webp":
        pytest.skip("WebP has 8 bits")
    picture = a_picture(deep, alpha, profile, exif)
    back = decode_picture(encode_picture(picture, suffix))
    assert back.deep == deep and (back.pixels == picture.pixels).all()
    assert (back.alpha == picture.alpha).all() if alpha else back.alpha is None
    assert back.profile == profile
    found = Image.Exif()
    found.load(back.exif)
    assert found[ExifTags.Base.Make] == "Camera" and found[ExifTags.Base.Copyright] == "Somebody"
    assert found.get_ifd(ExifTags.IFD.Exif)[EXPOSURE] == 200
    assert found.get_ifd(ExifTags.IFD.Exif)[TAKEN] == "2020:01:02 03:04:05"
    assert found.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] == "N"


@pytest.mark.parametrize(("deep", "suffix"), [(True, ".png"), (True, ".tif"), (False, ".tif")])
def test_other_programs_read_what_we_write_ourselves(deep, suffix, profile, exif):
    """Pillow's own reader cuts 16 bits to 8; tifffile and OpenCV do not."""
    data = encode_picture(picture := a_picture(deep, True, profile, exif), suffix)
    with Image.open(io.BytesIO(data)) as file:
        assert file.size == (30, 20) and file.mode == "RGBA" and file.info["icc_profile"] == profile
        values = np.asarray(file)
    assert (values[..., :3] == (picture.pixels >> 8 if deep else picture.pixels)).all()
    if deep:  # of 8 bits it gives the colors times the alpha
        cv2 = pytest.importorskip("cv2")
        seen = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        assert (seen[..., [2, 1, 0]] == picture.pixels).all() and (seen[..., 3] == picture.alpha).all()
    if suffix == ".tif":
        tifffile = pytest.importorskip("tifffile")
        assert (tifffile.imread(io.BytesIO(data))[..., :3] == picture.pixels).all()


def test_a_deep_file_of_another_program(tmp_path):
    """Compressed in the way that Photoshop and ImageMagick take by default."""
    cv2 = pytest.importorskip("cv2")
    values = noise(True, 3)
    for name in ("a.png", "a.tif"):
        cv2.imwrite(str(tmp_path / name), values[..., ::-1])
        assert (decode_picture((tmp_path / name).read_bytes()).pixels == values).all()


def test_jpeg_keeps_profile_and_exif_and_comes_close(profile, exif):
    pixels = np.asarray(Image.effect_mandelbrot((60, 40), (-2, -1, 1, 1), 50).convert("RGB"))
    back = decode_picture(encode_picture(Picture(pixels, None, profile, exif), ".jpg"))
    assert back.profile == profile and back.exif == exif
    assert np.abs(back.pixels.astype(int) - pixels).mean() < 4


@pytest.mark.parametrize(
    ("deep", "alpha", "suffix", "message"),
    [
        (True, False, ".jpg", "a '.jpg' file cannot hold 16 bits"),
        (True, False, ".webp", "a '.webp' file cannot hold 16 bits"),
        (False, True, ".jpeg", "cannot hold an alpha channel"),
        (False, False, ".gif", "cannot write '.gif' files, expected one of .jpg"),
        (False, False, "", "cannot write '' files"),
    ],
)
def test_what_a_file_cannot_hold_is_told(deep, alpha, suffix, message):
    with pytest.raises(ValueError, match=message):
        encode_picture(a_picture(deep, alpha), suffix)


@given(
    st.sampled_from([np.uint8, np.uint16]).flatmap(
        lambda kind: arrays(kind, array_shapes(min_dims=3, max_dims=3, max_side=5).map(lambda shape: (*shape[:2], 3)))
    )
)
def test_values_that_do_not_change_come_back_as_they_were(pixels):
    picture = Picture(pixels)
    assert (picture.with_colors(picture.colors()).pixels == pixels).all()


def test_every_value_of_16_bits_comes_back():
    picture = Picture(np.arange(65536, dtype=np.uint16).reshape(256, 256, 1).repeat(3, 2))
    assert (picture.with_colors(picture.colors()).pixels == picture.pixels).all()


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("deep", [False, True])
def test_pictures_stand_upright(turn, deep):
    """As the host's LoadImage shows them; the written file says nothing of a turn any more."""
    values = (np.arange(15).reshape(3, 5, 1).repeat(3, 2) * 17).astype(np.uint8)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = turn
    if deep:
        data = encode_picture(Picture(values.astype(np.uint16) << 8, exif=exif.tobytes()), ".png")
    else:
        data = saved(Image.fromarray(values), "PNG", exif=exif)
    picture = decode_picture(data)
    plain = Image.fromarray(values)
    plain.getexif()[ExifTags.Base.Orientation] = turn
    expected = np.asarray(ImageOps.exif_transpose(plain))
    assert (picture.pixels >> (8 if deep else 0) == expected).all()
    assert picture.exif is None


@pytest.mark.parametrize(
    ("mode", "color", "expected"),
    [("L", 100, [100] * 3), ("1", 1, [255] * 3), ("RGB", (1, 2, 3), [1, 2, 3]), ("P", 0, [0, 0, 0])],
)
def test_gray_and_palettes_become_rgb(mode, color, expected):
    picture = decode_picture(saved(Image.new(mode, (4, 4), color), "PNG"))
    assert picture.pixels[0, 0].tolist() == expected and picture.alpha is None


def test_gray_of_16_bits_becomes_rgb_of_16_bits():
    values = np.arange(12, dtype=np.uint16).reshape(3, 4) * 5000
    picture = decode_picture(saved(Image.fromarray(values), "PNG"))
    assert picture.deep and (picture.pixels == values[..., None]).all()


def animated():
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    return saved(frames[0], "GIF", save_all=True, append_images=frames[1:])


def truncated():
    data = saved(Image.effect_noise((64, 64), 50).convert("RGB"), "JPEG")
    return data[: len(data) // 2]


def deep_truncated():
    data = encode_picture(a_picture(True, False), ".png")
    return data[: len(data) // 2]


def floating():
    return saved(Image.new("F", (4, 4)), "TIFF")


def enormous(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    return saved(Image.new("L", (20, 20)), "PNG")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the file is empty"),
        (b"no picture", "it is no picture, or damaged"),
        (truncated(), "it is damaged: .*truncated"),
        (deep_truncated(), "it is damaged"),
        (
            saved(Image.new("CMYK", (8, 8)), "JPEG"),
            "its colors are CMYK, expected RGB or gray: convert it to RGB first",
        ),
        (animated(), "it holds 2 pictures"),
        (floating(), "its colors are F, expected RGB or gray"),
    ],
)
def test_what_cannot_be_harmonized_is_told(data, message):
    with pytest.raises(ValueError, match=message):
        decode_picture(data)


def test_a_picture_that_would_fill_the_memory_is_told(monkeypatch):
    with pytest.raises(ValueError, match="it is too large"):
        decode_picture(enormous(monkeypatch))


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(data):
    with pytest.raises(ValueError):
        decode_picture(b"\x89PNG\r\n\x1a\n" + data)


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        (Image.new("1", (2, 2), 1), 1.0),
        (Image.new("L", (2, 2), 51), 0.2),
        (Image.new("RGB", (2, 2), (51, 51, 51)), 0.2),
        (Image.new("RGBA", (2, 2), (255, 255, 255, 51)), 0.2),  # white on a transparent ground
        (Image.new("RGBA", (2, 2), (0, 0, 0, 255)), 0.0),
    ],
)
def test_a_masks_brightness_is_the_mask(mask, expected):
    assert torch.allclose(decode_mask(saved(mask, "PNG")), torch.full((2, 2), expected))


def test_results_lose_nothing():
    assert [lossless_suffix(name) for name in ("a.jpg", "a.TIF", "a.tiff", "a.png", "a.webp")] == [
        ".png",
        ".tif",
        ".tiff",
        ".png",
        ".png",
    ]
    assert {lossless_suffix(f"a{suffix}") for suffix in WRITTEN} <= set(LOSSLESS)


def test_a_grays_profile_is_left_out(profile):
    gray = bytearray(profile)
    gray[16:20] = b"GRAY"
    picture = decode_picture(saved(Image.new("L", (4, 4)), "PNG", icc_profile=bytes(gray)))
    assert picture.profile is None


def test_tags_that_say_where_pixels_lie_are_not_carried_over():
    data = saved(Image.new("RGB", (4, 4)), "TIFF", tiffinfo={TiffImagePlugin.IMAGEDESCRIPTION: "a house"})
    exif = Image.Exif()
    exif.load(decode_picture(data).exif)
    assert dict(exif) == {TiffImagePlugin.IMAGEDESCRIPTION: "a house"}
