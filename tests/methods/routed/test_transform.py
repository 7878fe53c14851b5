from dataclasses import replace

import pytest
import torch
from kornia.color import rgb_to_lab
from routed_networks import random_transform

from diff_harmonization.methods.routed.transform import APART, LOCAL, TERMS, UNIT, ColorTransform, local_change


@pytest.fixture
def image():
    """Two pictures away from the gamut's edges."""
    return 0.3 + 0.4 * torch.rand(2, 3, 24, 20, generator=torch.Generator().manual_seed(1))


def nothing(batch=2):
    return random_transform(batch, amount=0.0)


def in_place_of(values):
    """Affine numbers [LOCAL] as a map that is the same everywhere."""
    return values.reshape(1, LOCAL, 1, 1).expand(2, -1, 6, 5)


def test_zeros_change_nothing(image):
    assert torch.allclose(nothing().everywhere(image), image, atol=2e-4)  # through Lab and back
    assert torch.equal(nothing().in_place(image), image)
    assert torch.allclose(nothing()(image), image, atol=2e-4)


def test_zeros_change_nothing_at_the_ends_of_the_gamut():
    corners = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 3).T.reshape(1, 3, 2, 4)
    assert torch.allclose(nothing(1)(corners), corners, atol=1e-3)


def test_scaling(image):
    transform = random_transform(2)
    assert torch.allclose(transform.scaled(0)(image), image, atol=2e-4)
    assert torch.equal(transform.scaled(1)(image), transform(image))
    double = transform.scaled(2)
    assert torch.equal(double.curve, 2 * transform.curve) and torch.equal(double.local, 2 * transform.local)
    assert torch.equal(double.center, transform.center)
    distances = [(transform.scaled(strength)(image) - image).abs().mean().item() for strength in (0.25, 0.5, 1.0, 2.0)]
    assert distances == sorted(distances) and distances[0] > 0.005


def test_red_and_green_do_not_become_one_gray():
    """A change that leaves a fifth of a and all of b leaves APART of a; a turn of the hues stays as it is."""
    dull, turn = nothing(1), nothing(1)
    dull.curve[:, 1, 2] = 0.2 - 1
    turn.curve[:, 1:, 2:4] = torch.tensor([[0.0, -1.0], [1.0, 0.0]]) - torch.eye(2)
    held = dull.hues_apart()
    assert torch.allclose(held.curve[:, 1, 2], torch.tensor(APART - 1))
    rest = torch.ones(3, TERMS, dtype=torch.bool)
    rest[1, 2] = False
    assert torch.allclose(held.curve[:, rest], dull.curve[:, rest], atol=1e-6)
    assert torch.equal(turn.hues_apart().curve, turn.curve)


def test_keeping_hues_apart_leaves_distances_and_weak_changes():
    torch.manual_seed(0)
    strong, weak = nothing(50), nothing(50)
    strong.curve.normal_()
    weak.curve.normal_(std=0.05)
    plane = torch.eye(2) + strong.hues_apart().curve[:, 1:, 2:4]
    assert torch.linalg.svdvals(plane).min() >= APART - 1e-5
    assert torch.equal(weak.hues_apart().curve, weak.curve)


@pytest.mark.parametrize("channel", range(3))
def test_the_constant_term_shifts_lab(image, channel):
    transform = nothing()
    transform.curve[:, channel, 0] = 0.2
    shift = (rgb_to_lab(transform(image)) - rgb_to_lab(image)).movedim(1, 0)
    expected = torch.zeros(3)
    expected[channel] = UNIT * 0.2
    assert torch.allclose(shift, expected.reshape(3, 1, 1, 1).expand_as(shift), atol=0.05)


def test_the_terms_are_those_that_are_written_down(image):
    """Every term by itself, at one pixel in plain numbers; the channels are independent."""
    lab = rgb_to_lab(image)
    center = torch.tensor([50.0, 3.0, -4.0])
    light, a, b = ((lab - center.reshape(1, 3, 1, 1)) / UNIT)[1, :, 7, 3]
    bent = light.tanh()
    expected = torch.stack((torch.tensor(1.0), light, a, b, bent**2, bent**3, bent * a, bent * b))
    for term in range(TERMS):
        curve = torch.zeros(2, 3, TERMS)
        curve[:, :, term] = torch.tensor([0.1, -0.05, 0.07])
        transform = ColorTransform(center.reshape(1, 3, 1, 1).expand(2, -1, -1, -1), curve, torch.zeros(2, LOCAL, 1, 1))
        change = (rgb_to_lab(transform.everywhere(image)) - lab)[1, :, 7, 3]
        assert torch.allclose(change, UNIT * torch.tensor([0.1, -0.05, 0.07]) * expected[term], atol=0.05), term


def test_the_objects_mean_is_moved_by_the_constant_alone():
    """All other terms are zero at the center."""
    center = torch.tensor([60.0, 10.0, -10.0]).reshape(1, 3, 1, 1)
    gray = torch.full((1, 3, 1, 1), 0.5)
    transform = replace(random_transform(), center=rgb_to_lab(gray), local=torch.zeros(1, LOCAL, 1, 1))
    moved = rgb_to_lab(transform(gray)) - rgb_to_lab(gray)
    assert torch.allclose(moved.flatten(), UNIT * transform.curve[0, :, 0], atol=0.05)
    assert not torch.allclose(replace(transform, center=center)(gray), transform(gray), atol=1e-3)


def test_each_picture_has_its_own_change(image):
    transform = random_transform(2)
    for row in range(2):
        own = ColorTransform(*(values[row : row + 1] for values in vars(transform).values()))
        assert torch.allclose(own(image[row : row + 1])[0], transform(image)[row], atol=1e-6)


def test_the_local_change_is_an_affine_one_of_every_pixel(image):
    local = 0.3 * torch.randn(2, LOCAL, 24, 20, generator=torch.Generator().manual_seed(0))
    out = local_change(image, local)
    for row, y, x in ((0, 0, 0), (1, 23, 19), (0, 11, 7), (1, 3, 18)):
        numbers, color = local[row, :, y, x], image[row, :, y, x]
        expected = color + numbers[:9].reshape(3, 3) @ (color - 0.5) + numbers[9:]
        assert torch.allclose(out[row, :, y, x], expected.clamp(0, 1), atol=1e-6)


def test_a_map_without_variation_is_one_affine_change(image):
    local = in_place_of(0.2 * torch.randn(LOCAL, generator=torch.Generator().manual_seed(0)))
    spread = local[..., :1, :1].expand(-1, -1, 24, 20)
    assert torch.allclose(replace(nothing(), local=local).in_place(image), local_change(image, spread), atol=1e-6)


def test_the_map_lies_over_the_whole_picture():
    """Two columns of offsets: the left quarter has the first, the right one the second, the middle goes over."""
    local = torch.zeros(1, LOCAL, 1, 2)
    local[:, 9:, :, 1] = 0.4
    out = replace(nothing(1), local=local).in_place(torch.full((1, 3, 2, 8), 0.1))[0, 0, 0]
    expected = 0.1 + 0.4 * torch.tensor([0, 0, 1 / 8, 3 / 8, 5 / 8, 7 / 8, 1, 1])
    assert torch.allclose(out, expected, atol=1e-6)


def test_both_changes_are_the_global_one_and_then_the_local_one(image):
    transform = random_transform(2)
    assert torch.equal(transform(image), transform.in_place(transform.everywhere(image)))


def test_values_stay_in_0_1():
    image = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    for seed in range(10):
        out = random_transform(amount=3.0, seed=seed)(image)
        assert out.isfinite().all() and out.min() >= 0 and out.max() <= 1
