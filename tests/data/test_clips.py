"""Video files and folders of frames, written and read."""

from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from av.video.reformatter import Colorspace
from moving_clips import moving_clip, write_pictures, write_video
from PIL import Image

from diff_harmonization.data.clips import count_frames, is_endless, paired, read_frames, read_masks, rewrite
from diff_harmonization.data.pictures import Picture, decode_picture, encode_picture


@pytest.fixture(scope="module")
def clip():
    return moving_clip(12, 96)


def same(frame):
    return frame


def psnr(first, second):
    return float(-10 * ((first - second) ** 2).mean().log10())


def frames_of(place):
    return torch.stack(list(read_frames(place)))


def packets(path, kind):
    with av.open(str(path)) as container:
        stream = next(stream for stream in container.streams if stream.type == kind)
        return [(bytes(packet), packet.pts) for packet in container.demux(stream) if packet.dts is not None]


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [
        ("a.mp4", "libx264", "yuv420p"),
        ("a.mov", "libx264", "yuv444p10le"),
        ("a.mkv", "libx265", "yuv420p10le"),
        ("a.mov", "prores_ks", "yuv422p10le"),
        ("a.webm", "libvpx-vp9", "yuv420p"),
        ("a.mkv", "ffv1", "yuv420p"),
        ("a.mp4", "mpeg4", "yuv420p"),
    ],
)
def test_a_video_is_written_as_it_was(tmp_path, clip, name, codec, pix_fmt):
    source = write_video(tmp_path / name, clip[0], codec=codec, pix_fmt=pix_fmt)
    out = tmp_path / f"out{source.suffix}"
    rewrite(source, out, same)
    with av.open(str(source)) as before, av.open(str(out)) as after:
        first, second = before.streams.video[0], after.streams.video[0]
        assert second.codec_context.pix_fmt == first.codec_context.pix_fmt == pix_fmt
        assert second.average_rate == first.average_rate and (second.width, second.height) == (96, 96)
        times = [[frame.time for frame in container.decode(video=0)] for container in (before, after)]
    assert times[1] == pytest.approx(times[0], abs=2e-3)
    assert psnr(frames_of(source), frames_of(out)) > 36
    assert [path.name for path in tmp_path.iterdir() if "part" in path.name] == []


@pytest.mark.parametrize("space", [Colorspace.ITU709, Colorspace.ITU601])
def test_colors_come_back_in_their_own_space(tmp_path, clip, space):
    source = write_video(tmp_path / "a.mp4", clip[0], colorspace=space)
    assert psnr(frames_of(source), clip[0]) > 30
    rewrite(source, tmp_path / "out.mp4", same)
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert next(container.decode(video=0)).colorspace == space
    back = frames_of(tmp_path / "out.mp4")
    assert (back.mean((0, 1, 2)) - clip[0].mean((0, 1, 2))).abs().max() < 0.01


def test_the_change_reaches_every_frame_in_order(tmp_path, clip):
    source, levels = write_video(tmp_path / "a.mp4", clip[0]), iter(torch.linspace(0.2, 0.9, 12))
    rewrite(source, tmp_path / "out.mp4", lambda frame: torch.full_like(frame, float(next(levels))))
    means = frames_of(tmp_path / "out.mp4").mean((1, 2, 3))
    assert torch.allclose(means, torch.linspace(0.2, 0.9, 12), atol=0.02)


def test_sound_is_copied_to_the_byte(tmp_path, clip):
    source = write_video(tmp_path / "a.mp4", clip[0], sound=True)
    rewrite(source, tmp_path / "out.mp4", same)
    before, after = packets(source, "audio"), packets(tmp_path / "out.mp4", "audio")
    assert len(before) > 10 and before == after


def test_frames_of_uneven_length_keep_their_times(tmp_path, clip):
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width = stream.height = 96
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for time, frame in zip((0, 40, 150, 170, 400), clip[0], strict=False):
            picture = av.VideoFrame.from_ndarray((frame * 255).to(torch.uint8).numpy(), format="rgb24")
            picture.pts, picture.time_base = time, stream.codec_context.time_base
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    rewrite(tmp_path / "a.mkv", tmp_path / "out.mkv", same)
    with av.open(str(tmp_path / "out.mkv")) as container:
        assert [round(1000 * frame.time) for frame in container.decode(video=0)] == [0, 40, 150, 170, 400]


def test_a_turned_video_is_read_and_written_upright(tmp_path, clip):
    """A phone that is held upright stores a lying picture and says so."""
    source = write_video(tmp_path / "a.mp4", clip[0][:2, :, :64])
    data = bytearray(source.read_bytes())
    matrix = data.index(b"tkhd") + 44
    turned = (0, 1 << 16, 0, -(1 << 16), 0, 0, 64 << 16, 0, 1 << 30)  # by 90 degrees clockwise
    data[matrix : matrix + 36] = b"".join(value.to_bytes(4, "big", signed=True) for value in turned)
    source.write_bytes(data)
    upright = clip[0][:2, :, :64].rot90(-1, (1, 2))
    assert psnr(frames_of(source), upright) > 30
    rewrite(source, tmp_path / "out.mp4", same)
    assert psnr(frames_of(tmp_path / "out.mp4"), upright) > 30


def test_a_folder_of_frames_keeps_every_value(tmp_path):
    values = np.random.default_rng(0).integers(0, 65536, (3, 8, 10, 3)).astype(np.uint16)
    (tmp_path / "in").mkdir()
    for number, pixels in enumerate(values):
        (tmp_path / "in" / f"{number}.tif").write_bytes(encode_picture(Picture(pixels, pixels[..., 0]), ".tif"))
    rewrite(tmp_path / "in", tmp_path / "out", same)
    written = sorted((tmp_path / "out").iterdir())
    assert [path.name for path in written] == ["0.tif", "1.tif", "2.tif"]
    for path, pixels in zip(written, values, strict=True):
        back = decode_picture(path.read_bytes())
        assert (back.pixels == pixels).all() and (back.alpha == pixels[..., 0]).all()
    assert count_frames(tmp_path / "in") == 3


def test_masks_come_as_a_video_a_folder_or_one_picture(tmp_path, clip):
    masks = clip[1]
    video = write_video(tmp_path / "m.mkv", masks[..., None].expand(-1, -1, -1, 3), codec="ffv1", pix_fmt="yuv444p")
    folder = write_pictures(tmp_path / "masks", masks)
    one = folder / "0000.png"
    assert (torch.stack(list(read_masks(video))) - masks).abs().max() < 0.03
    assert (torch.stack(list(read_masks(folder))) - masks).abs().max() < 0.003
    assert is_endless(one) and not is_endless(video) and not is_endless(folder)
    pairs = list(paired(iter(clip[0]), read_masks(one), True))
    assert len(pairs) == 12 and torch.equal(pairs[0][1], pairs[11][1])


@pytest.mark.parametrize(
    ("count", "size", "message"),
    [
        (11, 96, "the masks end at frame 11, and the clip goes on"),
        (13, 96, "the clip ends after 12 frames, and there are more masks"),
        (12, 40, "the mask of frame 0 is 40x40, expected 96x96"),
    ],
)
def test_masks_that_do_not_fit(clip, count, size, message):
    with pytest.raises(ValueError, match=message):
        list(paired(iter(clip[0]), iter(torch.zeros(count, size, size)), False))


def test_what_is_no_clip_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no clip"):
        list(read_frames(tmp_path / "none.mp4"))
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(ValueError, match="is no video, or damaged"):
        list(read_frames(tmp_path / "text.mp4"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="There is no picture in"):
        list(read_frames(tmp_path / "empty"))
    Image.new("RGB", (4, 4)).save(tmp_path / "empty" / "a.png")
    (tmp_path / "empty" / "b.png").write_bytes(b"torn")
    with pytest.raises(ValueError, match="b.png: it is no picture"):
        list(read_frames(tmp_path / "empty"))


def test_a_kind_of_file_that_cannot_be_written(tmp_path, clip):
    source = write_video(tmp_path / "a.mp4", clip[0][:2])
    with pytest.raises(ValueError, match="'.nothing' is no kind of video file that can be written"):
        rewrite(source, tmp_path / "out.nothing", same)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
