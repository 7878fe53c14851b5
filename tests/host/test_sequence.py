"""Sequences with the embedded networks and judge."""

import pytest
import torch
from kornia.color import rgb_to_lab
from moving_clips import moving_clip

from diff_harmonization.color.lut import grid_colors
from diff_harmonization.evaluator.model import HarmonyEvaluator
from diff_harmonization.host.evaluator import load_evaluator
from diff_harmonization.host.judged import JUDGED
from diff_harmonization.host.routed.harmonizer import EMBEDDED, harmonize, load_harmonizer, proposer
from diff_harmonization.host.sequence import SequenceReader, apply_look, harmonize_sequence

CUT = 12


@pytest.fixture(scope="module")
def clip():
    """24 frames, a cut in their middle."""
    return moving_clip(2 * CUT)


@pytest.fixture(scope="module")
def harmonizer():
    return load_harmonizer(EMBEDDED)


@pytest.fixture(scope="module")
def propose(harmonizer):
    return proposer(harmonizer)


@pytest.fixture(scope="module")
def done(propose, clip):
    return harmonize_sequence(propose, *clip, interval=6)


def flicker(frames, masks):
    """The mean change of the object's mean Lab from frame to frame, within the shots."""
    lab, inside = rgb_to_lab(frames.movedim(-1, 1)).movedim(1, -1), (masks > 0.5).float()[..., None]
    means = (lab * inside).sum((1, 2)) / inside.sum((1, 2))
    changes = (means[1:] - means[:-1]).norm(dim=1)
    return float(torch.cat((changes[: CUT - 1], changes[CUT:])).mean())


def test_the_object_changes_and_flickers_hardly_more_than_before(done, harmonizer, clip):
    (frames, look), (image, mask) = done, clip
    assert look.starts == (0, CUT)
    assert (frames[mask == 0] == image[mask == 0]).all()
    assert (frames - image)[mask > 0.5].abs().mean() > 0.02
    assert flicker(frames, mask) <= 1.1 * flicker(image, mask)
    alone = harmonize(harmonizer, image, mask, local=False).image  # what the sequence is there to avoid
    assert flicker(alone, mask) > 1.2 * flicker(image, mask)


def test_key_frames_lie_at_both_ends_of_a_shot_and_between(done):
    look = done[1]
    assert [shot.times for shot in look.shots] == [(0, 6, 11), (12, 18, 23)]
    assert len(look.key_luts()) == 6
    assert look.summary() == "from frame 0: 3 key frames, strength 1\nfrom frame 12: 3 key frames, strength 1"


def test_a_cut_begins_a_new_look(done):
    look = done[1]
    tables = [look.lut(number).table for number in (CUT - 2, CUT - 1, CUT)]
    assert (tables[2] - tables[1]).abs().max() > 4 * (tables[1] - tables[0]).abs().max()


def test_frame_by_frame_is_the_same_as_all_at_once(done, propose, clip):
    frames, _ = done
    reader = SequenceReader(propose, interval=6)
    with torch.inference_mode():
        for frame, mask in zip(*clip, strict=True):
            reader.add(frame, mask)
        look = reader.look()
        again = [apply_look(look, number, frame, mask) for number, (frame, mask) in enumerate(zip(*clip, strict=True))]
    assert torch.equal(torch.stack(again), frames)


def scripted(*scores):
    script = iter(scores)
    return HarmonyEvaluator("scripted", lambda square: torch.tensor([[0.0, torch.logit(torch.tensor(next(script)))]]))


def test_the_judge_chooses_one_strength_for_each_shot(propose, clip):
    """By the mean over its key frames: the second key of the first shot alone would want nothing."""
    image, mask = clip[0][CUT - 2 : CUT + 2], clip[1][CUT - 2 : CUT + 2]
    rising, falling = (0.2, 0.4, 0.6, 0.8, 0.81), (0.5, 0.45, 0.4, 0.39, 0.38)
    judge = scripted(*rising, *falling, *falling, *falling)
    frames, look = harmonize_sequence(propose, image, mask, judge=judge, strength=1.2)
    assert look.strengths == (pytest.approx(1.2 * JUDGED[3]), 0.0)
    assert look.scores[0] == pytest.approx(
        [(up + down) / 2 for up, down in zip(rising, falling, strict=True)], abs=1e-5
    )
    assert torch.equal(frames[2:], image[2:]) and not torch.equal(frames[:2], image[:2])


def test_the_embedded_judge_works(propose, clip):
    _, look = harmonize_sequence(propose, clip[0][:2], clip[1][:2], judge=load_evaluator(EMBEDDED))
    assert look.strengths[0] in JUDGED and "scores 0." in look.summary()


def test_an_object_may_leave_and_come_back(propose, clip):
    image, mask = clip[0][:6], clip[1][:6].clone()
    mask[[0, 3, 5]] = 0
    frames, look = harmonize_sequence(propose, image, mask, interval=100)
    assert look.shots[0].times == (1, 4)
    assert torch.equal(frames[[0, 3, 5]], image[[0, 3, 5]]) and not torch.equal(frames[1], image[1])


def test_no_strength_changes_nothing(propose, clip):
    frames, look = harmonize_sequence(propose, clip[0][:2], clip[1][:2], strength=0.0)
    assert torch.equal(frames, clip[0][:2]) and look.strengths == (0.0,)
    (lut,) = look.key_luts()  # an empty list would stop whatever takes it
    assert torch.equal(lut.table, grid_colors(33))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mask": torch.ones(1, 5, 5)}, "^`mask`: got 1 of 5x5, expected one or 2 of"),
        ({"mask": torch.ones(3, 144, 144)}, "^`mask`: got 3 of 144x144"),
        ({"mask": torch.zeros(1, 144, 144)}, "^`mask`: no frame has a mask that covers a part of it"),
        ({"mask": torch.ones(144, 144)}, "^`mask`: no frame has a mask"),
        ({"strength": -1.0}, "^`strength`: got -1.0, expected 0 or more"),
        ({"interval": 0}, "^`interval`: got 0, expected at least 1"),
    ],
)
def test_what_is_refused(propose, clip, changes, message):
    with pytest.raises(ValueError, match=message):
        harmonize_sequence(propose, clip[0][:2], **{"mask": clip[1][:2]} | changes)
