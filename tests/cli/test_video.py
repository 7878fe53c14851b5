"""`video` on real clips."""

import json

import pytest
import torch
from moving_clips import moving_clip, write_pictures, write_video
from typer.testing import CliRunner

from diff_harmonization.cli.__main__ import app
from diff_harmonization.data.clips import read_frames, read_masks
from diff_harmonization.host.diffharmony.harmonizer import proposer as diffharmony
from diff_harmonization.host.evaluator import load_evaluator
from diff_harmonization.host.routed.harmonizer import EMBEDDED, load_harmonizer, proposer
from diff_harmonization.host.sequence import harmonize_sequence
from diff_harmonization.mini.diffharmony.loader import SEEDS, SETTINGS, load_diffharmony


@pytest.fixture(scope="module")
def clip():
    return moving_clip(16, 96)


def run(*arguments):
    result = CliRunner().invoke(app, ["video", *map(str, arguments), "--json"])
    return result.exit_code, json.loads(result.stdout)


def test_a_folder_of_frames_becomes_what_the_node_makes(tmp_path, clip):
    frames, masks = write_pictures(tmp_path / "clip", clip[0]), write_pictures(tmp_path / "masks", clip[1])
    code, told = run(frames, masks, "--method", "routed", "--interval", 4)
    assert code == 0 and told["result"] == str(tmp_path / "clip_harmonized")
    assert (told["frames"], told["shots"], told["strengths"]) == (16, [0, 8], [1.0, 1.0])
    assert told["seconds_per_frame"] > 0
    image, mask = (torch.stack(list(read(folder))) for read, folder in ((read_frames, frames), (read_masks, masks)))
    expected, _ = harmonize_sequence(proposer(load_harmonizer(EMBEDDED)), image, mask, interval=4)
    result = torch.stack(list(read_frames(tmp_path / "clip_harmonized")))
    assert (result - expected).abs().max() <= 0.5 / 255 + 1e-6
    assert (result - image)[mask > 0.5].abs().mean() > 0.02


def test_diffharmony_too_makes_a_look(tmp_path, clip):
    frames, masks = write_pictures(tmp_path / "clip", clip[0][:9]), write_pictures(tmp_path / "masks", clip[1][:9])
    code, told = run(frames, masks, "--method", "diffharmony", "--interval", 4)
    assert (code, told["frames"], told["shots"]) == (0, 9, [0, 8]) and any(told["strengths"])
    image, mask = (torch.stack(list(read(folder))) for read, folder in ((read_frames, frames), (read_masks, masks)))
    with torch.inference_mode():
        propose, judge = diffharmony(load_diffharmony(), SETTINGS, SEEDS), load_evaluator(EMBEDDED)
        expected, _ = harmonize_sequence(propose, image, mask, judge=judge, interval=4)
    result = torch.stack(list(read_frames(tmp_path / "clip_harmonized")))
    assert (result - expected).abs().max() <= 0.5 / 255 + 1e-6
    assert (result - image)[mask > 0.5].abs().mean() > 0.002


def test_a_video_with_one_mask_for_all(tmp_path, clip):
    source = write_video(tmp_path / "a.mp4", clip[0][:6], sound=True)
    mask = write_pictures(tmp_path / "masks", clip[1][:1]) / "0000.png"
    code, told = run(source, mask, "--out", tmp_path / "b.mkv")
    assert code == 0 and told["strengths"][0] in (0, 0.25, 0.5, 0.75, 1)
    assert len(list(read_frames(tmp_path / "b.mkv"))) == 6


@pytest.mark.parametrize(
    ("count", "message"), [(3, "the masks end at frame 3"), (5, "there are more masks"), (0, "There is no picture in")]
)
def test_masks_must_fit(tmp_path, clip, count, message):
    frames, masks = write_pictures(tmp_path / "clip", clip[0][:4]), write_pictures(tmp_path / "masks", clip[1][:count])
    code, told = run(frames, masks, "--method", "routed")
    assert code == 1 and message in told["error"]
    assert not (tmp_path / "clip_harmonized").exists()


def test_a_clip_is_never_its_own_result(tmp_path, clip):
    frames = write_pictures(tmp_path / "clip", clip[0][:1])
    assert "is the clip itself" in run(frames, frames, "--out", frames)[1]["error"]
