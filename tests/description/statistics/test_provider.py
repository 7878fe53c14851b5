import pytest
import torch
from kornia.color import lab_to_rgb, rgb_to_lab

from diff_harmonization.core.errors import InputError
from diff_harmonization.description.statistics import provider as statistics
from diff_harmonization.description.statistics.norms import load_norms
from diff_harmonization.description.statistics.provider import (
    LIGHTER,
    SIDE,
    alternatives,
    alternatives_towards,
    describe,
    follow,
    shrink_importance,
)
from diff_harmonization.description.statistics.words import LEVELS
from diff_harmonization.description.vocabulary import WORDS


def moved(image, region, shift):
    """The image with its region moved by a Lab shift."""
    lab = rgb_to_lab(image.movedim(-1, 0)[None])[0].movedim(0, -1) + torch.tensor(shift)
    lab[..., 0].clamp_(0, 100)
    rgb = lab_to_rgb(lab.movedim(-1, 0)[None])[0].movedim(0, -1).clamp(0, 1)
    return torch.where(region[..., None] > 0, rgb, image)


def said(words, axis):
    """The level that words name on an axis; 0 where they are silent."""
    return sum(level for level, word in LEVELS[axis] if word in words)


@pytest.mark.parametrize(
    ("axis", "shift"),
    [
        ("lightness", (-30.0, 0.0, 0.0)),
        ("lightness", (30.0, 0.0, 0.0)),
        ("yellow_blue", (0.0, 0.0, -25.0)),
        ("yellow_blue", (0.0, 0.0, 25.0)),
        ("red_green", (0.0, 25.0, 0.0)),
    ],
)
def test_moving_the_object_moves_its_words_alone(scene, mask, axis, shift):
    before, after = describe(scene, mask, "car"), describe(moved(scene, mask, shift), mask, "car")
    change = said(after.foreground, axis) - said(before.foreground, axis)
    assert change * sum(shift) > 0
    assert after.background == before.background


def test_moving_the_scene_moves_the_background_words_alone(scene, mask):
    dark = describe(moved(scene, 1 - mask, (-45.0, 0.0, 0.0)), mask, "car")
    light = describe(moved(scene, 1 - mask, (15.0, 0.0, 0.0)), mask, "car")
    assert said(dark.background, "lightness") < said(light.background, "lightness")
    assert dark.foreground == light.foreground


def test_words_are_relative_to_the_kind_of_object(scene, mask):
    """The same pixels are darker as a sky than as a tree."""
    norms = load_norms()
    assert norms.usual["sky"][0] > norms.usual["tree"][0] + 15
    sky, tree = (describe(scene, mask, name).foreground for name in ("sky", "tree"))
    assert said(sky, "lightness") < said(tree, "lightness")


def test_an_unknown_object_is_read_as_any_object(scene, mask):
    unknown, generic = describe(scene, mask, "zeppelin"), describe(scene, mask, "object")
    assert (unknown.foreground, unknown.background) == (generic.foreground, generic.background)
    assert unknown.object == "zeppelin"


@pytest.mark.parametrize(("name", "kind"), [("taxi", "car"), ("palm tree", "tree"), ("Woman", "person")])
def test_an_everyday_name_is_read_as_its_kind(scene, mask, name, kind):
    found, known = describe(scene, mask, name), describe(scene, mask, kind)
    assert (found.foreground, found.background) == (known.foreground, known.background)
    assert found.object == name


def test_words_are_of_the_vocabulary(scene, mask):
    description = describe(scene, mask, "car")
    assert {*description.foreground, *description.background} <= set(WORDS)


@pytest.mark.parametrize(("value", "message"), [(0.0, "`mask`: .*empty"), (1.0, "`mask`: .*covers the whole")])
def test_a_mask_without_two_regions_is_an_error(scene, mask, value, message):
    with pytest.raises(InputError, match=message):
        describe(scene, torch.full_like(mask, value), "car")


def test_a_thin_object_is_described():
    scene, pole = torch.rand(2560, 1024, 3, generator=torch.Generator().manual_seed(0)), torch.zeros(2560, 1024)
    pole[:, 500:501] = 1
    scene[pole > 0] *= 0.1
    assert describe(scene, pole, "object").foreground


def test_alternatives_are_distinct_and_the_first_is_the_description(scene, mask):
    found = alternatives(moved(scene, mask, [-15.0, 0.0, -10.0]), mask, "car")
    assert str(found[0]) == str(describe(moved(scene, mask, [-15.0, 0.0, -10.0]), mask, "car"))
    assert len(found) == len(set(found)) == 3
    assert {description.foreground for description in found} == {found[0].foreground}


def test_the_second_alternative_goes_farther_and_the_third_is_darker(scene, mask):
    first, farther, darker = alternatives(moved(scene, mask, [-15.0, 0.0, -10.0]), mask, "car")
    assert said(farther.background, "lightness") > said(first.background, "lightness")
    assert said(darker.background, "lightness") < said(first.background, "lightness")


def test_alternatives_that_say_the_same_are_one(scene, mask, monkeypatch):
    monkeypatch.setattr(statistics, "FARTHER", 1.0)
    assert len(alternatives(scene, mask, "car")) == 2


def test_importance_chooses_the_scene_that_the_words_come_from(scene, mask):
    """The left half of a scene is dark, the right half bright."""
    left = torch.zeros_like(mask)
    left[:, : len(mask) // 2] = 1
    halves = moved(moved(scene, left * (1 - mask), [-45.0, 0.0, 0.0]), (1 - left) * (1 - mask), [15.0, 0.0, 0.0])
    dark, light = (describe(halves, mask, "car", importance) for importance in (left, 1 - left))
    assert said(dark.background, "lightness") < said(light.background, "lightness")
    assert dark.foreground == light.foreground


def test_words_lead_to_the_look_of_a_harmonizers_picture(scene, mask):
    composite = moved(scene, mask, [-30.0, 0.0, -25.0])
    first, lighter, darker = alternatives_towards(scene, composite, mask, "car")
    assert first.foreground == lighter.foreground == darker.foreground == describe(composite, mask, "car").foreground
    assert first.background == describe(scene, mask, "car").foreground  # what names the object in that picture
    levels = [said(each.background, "lightness") for each in (darker, first, lighter)]
    assert levels == [-LIGHTER[0], 0, LIGHTER[0]]


def test_only_the_object_of_a_harmonizers_picture_counts(scene, mask):
    other = moved(scene, 1 - mask, [20.0, 10.0, -20.0])
    assert alternatives_towards(other, scene, mask, "car") == alternatives_towards(scene, scene, mask, "car")


def test_looks_that_have_the_same_words_are_one_description(scene, mask):
    """Beyond the darkest word there is none."""
    black = moved(scene, mask, [-90.0, 0.0, 0.0])
    assert len(alternatives_towards(black, scene, mask, "car")) == 1


def test_the_foregrounds_words_follow_the_object_until_they_ask_for_nothing(scene, mask):
    composite = moved(scene, mask, [-30.0, 0.0, -25.0])
    first = alternatives_towards(scene, composite, mask, "car")[0]
    assert follow(first, composite, mask) == first and not first.settled
    nearer = follow(first, composite.lerp(scene, 0.6), mask)
    assert nearer.background == first.background
    assert said(first.foreground, "lightness") < said(nearer.foreground, "lightness") <= 0
    assert follow(first, scene, mask).settled


@pytest.mark.parametrize(("value", "message"), [(0.0, "`mask`: .*empty"), (1.0, "`mask`: .*covers the whole")])
def test_a_look_needs_two_regions(scene, mask, value, message):
    with pytest.raises(InputError, match=message):
        alternatives_towards(scene, scene, torch.full_like(mask, value), "car")


@pytest.mark.parametrize("factor", [1, 17])
def test_importance_that_is_1_everywhere_changes_nothing(scene, mask, factor):
    """At its own size and where it shrinks; a soft edge falls on no whole pixel of the smaller picture."""
    scene, mask = scene.repeat_interleave(factor, 0).repeat_interleave(factor, 1), mask.repeat(factor, factor)
    assert alternatives(scene, mask, "car", torch.ones_like(mask)) == alternatives(scene, mask, "car")


def test_an_importance_shrinks_to_its_mean_over_the_scene_in_each_pixel():
    mask, importance = torch.zeros(2 * SIDE, 2 * SIDE), torch.ones(2 * SIDE, 2 * SIDE)
    mask[:3, :2] = 1  # one pixel of the smaller picture, and the half of another
    importance[:3, :2] = 100.0  # what lies on the object is not used
    importance[2:4, 2:4] = torch.tensor([[1.0, 3.0], [5.0, 7.0]])
    small = shrink_importance(importance, mask)
    assert small.shape == (SIDE, SIDE)
    relative = small / small[-1, -1]
    torch.testing.assert_close(relative[:2, :2], torch.tensor([[0.0, 1.0], [1.0, 4.0]]))


@pytest.mark.parametrize("factor", [1, 8])
def test_importance_that_does_not_serve_is_an_error(scene, mask, factor):
    scene, mask = scene.repeat(factor, factor, 1), mask.repeat(factor, factor)
    with pytest.raises(InputError, match="^`importance`: got 24x.* like the mask"):
        describe(scene, mask, "car", torch.ones(len(mask), 24))
    with pytest.raises(InputError, match="^`importance`: it is 0 everywhere outside"):
        describe(scene, mask, "car", mask)
    with pytest.raises(InputError, match="^`mask`: .*covers the whole"):
        describe(scene, torch.ones_like(mask), "car", mask)
