import pytest
import torch
from torch.nn.functional import interpolate

from diff_harmonization.color.lut import ColorLUT, grid_colors
from diff_harmonization.color.sequence import CutFinder, Shot, blend, smoothed


def gray(level, size=2):
    return ColorLUT(torch.full((size, size, size, 3), level))


def level(lut):
    assert float(lut.table.std()) < 1e-6
    return float(lut.table.mean())


def test_a_blend_is_the_weighted_mean():
    assert level(blend((gray(0.2), gray(0.6)), (3, 1))) == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("time", "expected"), [(0, 0.1), (10, 0.1), (15, 0.2), (20, 0.3), (21, 0.32), (30, 0.5), (31, 0.5), (99, 0.5)]
)
def test_between_key_frames_the_look_goes_over(time, expected):
    levels = 0.1, 0.3, 0.5
    shot = Shot((10, 20, 30), lambda place: gray(levels[place]))
    assert level(shot.at(time)) == pytest.approx(expected)


def test_one_key_frame_serves_all_and_none_changes_nothing():
    assert level(Shot((5,), lambda place: gray(0.4)).at(0)) == pytest.approx(0.4)
    assert Shot((), lambda place: gray(0.4)).at(3) is None


def test_the_look_is_continuous():
    shot = Shot((0, 7, 20), lambda place: gray((0.1, 0.9, 0.3)[place]))
    levels = [level(shot.at(time)) for time in range(25)]
    assert max(abs(after - before) for before, after in zip(levels, levels[1:], strict=False)) < 0.8 / 7 + 1e-6


def test_smoothing_calms_what_wavers_and_leaves_a_ramp():
    wavering = [0.5, 0.3] * 6
    calm = smoothed(lambda place: gray(wavering[place]), len(wavering))
    inner = [level(calm(place)) for place in range(3, 9)]
    assert max(inner) - min(inner) < 0.02
    ramp = smoothed(lambda place: gray(place / 20), 20)
    assert [level(ramp(place)) for place in (8, 9, 10)] == pytest.approx([0.4, 0.45, 0.5])
    assert level(smoothed(lambda place: gray(0.7), 1)(0)) == pytest.approx(0.7)


def test_each_look_is_asked_for_once():
    asked = []
    smooth = smoothed(lambda place: asked.append(place) or gray(0.5), 40)
    for place in range(40):
        smooth(place)
        smooth(place)
    assert asked == list(range(40))


def scene(seed):
    """Soft blots of color."""
    noise = torch.rand(1, 3, 5, 5, generator=torch.Generator().manual_seed(seed))
    return interpolate(noise, (48, 48), mode="bicubic")[0].movedim(0, -1).clamp(0, 1)


def cuts(frames):
    finder = CutFinder()
    return [number for number, frame in enumerate(frames) if finder(frame)]


def test_cuts_are_found_and_motion_and_fades_are_none():
    still = [scene(0) * 0.8] * 5
    fading = [scene(0) * (0.8 - 0.05 * step) for step in range(10)]
    moving = [scene(0).roll(step, 1) * 0.8 for step in range(10)]
    other = [scene(1)] * 5
    assert cuts([*still, *fading]) == [0]
    assert cuts([*still, *moving]) == [0]
    assert cuts([*still, *other, *still]) == [0, 5, 10]
    assert cuts([*still, torch.ones(20, 20, 3)]) == [0, 5]  # of another size


def test_a_shot_of_wild_motion_is_one_shot():
    noise = torch.rand(8, 8, 3, generator=torch.Generator().manual_seed(0)).repeat_interleave(6, 0)
    noise = noise.repeat_interleave(6, 1)
    assert cuts([noise.roll(5 * step, 1) for step in range(10)]) == [0]


def test_a_flickering_light_is_no_cut():
    light = torch.rand(30, generator=torch.Generator().manual_seed(3)) * 0.3 + 0.7
    assert cuts([scene(0) * value for value in light]) == [0]


def test_the_identity_stays_itself():
    own = ColorLUT(grid_colors(5))
    assert torch.allclose(blend((own, own, own), (1, 2, 3)).table, own.table, atol=1e-6)
