"""What is refused whatever the judge says: absurd pictures, and looks that no such object has."""

import math
import os
from pathlib import Path

import pytest
import torch

from diff_harmonization.core.view import working_view
from diff_harmonization.data.photos import read_photos
from diff_harmonization.description.statistics.appearance import region_appearance
from diff_harmonization.description.statistics.norms import load_norms
from diff_harmonization.description.statistics.plausibility import (
    FARTHEST,
    distance_from_plausible,
    kept_relief,
    look_distance,
)


@pytest.fixture
def composite():
    """A gray object with relief on a lighter ground, and its mask."""
    image = torch.full((64, 64, 3), 0.8)
    image[16:48, 16:48] = 0.3 + 0.2 * torch.rand(32, 32, 1, generator=torch.Generator().manual_seed(0))
    mask = torch.zeros(64, 64)
    mask[16:48, 16:48] = 1
    return image, mask


ABSURD = {
    "black": lambda image: torch.zeros_like(image),
    "blown out": lambda image: torch.ones_like(image),
    "one color": lambda image: torch.full_like(image, 0.4),
    "inverted": lambda image: 1 - image,
}


@pytest.mark.parametrize("name", ABSURD)
@pytest.mark.parametrize("kind", ["object", "person"])
def test_absurd_pictures_are_infinitely_far(composite, name, kind):
    image, mask = composite
    assert distance_from_plausible(kind, image, ABSURD[name](image), mask) == math.inf


def test_half_precision_hides_nothing(composite):
    """Sums over a large object would overflow."""
    image, mask = (values.repeat_interleave(8, 0).repeat_interleave(8, 1) for values in composite)
    assert distance_from_plausible("object", image.half(), 1 - image.half(), mask) == math.inf


@pytest.mark.parametrize("name", ["black", "blown out"])
def test_a_flat_object_may_not_become_black_or_white(composite, name):
    flat, mask = composite[0].clone(), composite[1]
    flat[mask > 0] = 0.4
    assert distance_from_plausible("object", flat, ABSURD[name](flat), mask) == math.inf
    assert distance_from_plausible("object", flat, 0.7 * flat, mask) < FARTHEST


CHANGES = {
    "nothing": lambda image: image,
    "much darker": lambda image: image * 0.4,
    "fog": lambda image: 0.3 * image + 0.6,
    "sunset": lambda image: image * torch.tensor([1.0, 0.7, 0.4]),
}


@pytest.mark.parametrize("name", CHANGES)
def test_changes_of_light_are_plausible(composite, name):
    image, mask = composite
    assert distance_from_plausible("object", image, CHANGES[name](image), mask) < FARTHEST


def test_a_garish_object_is_too_far(composite):
    image, mask = composite
    garish = image * torch.tensor([0.0, 2.0, 0.0])
    assert FARTHEST < distance_from_plausible("person", image, garish, mask) < math.inf


def test_the_distance_is_in_spreads_of_the_kind(composite):
    image, mask = composite
    norms = load_norms()
    off = (region_appearance(image, mask) - norms.usual["tree"]) / norms.scale
    assert look_distance("palm tree", image, mask) == pytest.approx(off.square().sum().sqrt().item())
    assert look_distance("tree", image, mask) != look_distance("sky", image, mask)
    other_ground = torch.where(mask[..., None] > 0, image, torch.zeros(3))
    assert look_distance("tree", other_ground, mask) == pytest.approx(look_distance("tree", image, mask))


def test_relief_is_the_share_of_light_and_shade(composite):
    image, mask = composite
    assert kept_relief(image, image, mask) == pytest.approx(1, abs=1e-4)
    assert kept_relief(image, image.mean().expand_as(image), mask) == pytest.approx(0, abs=1e-4)
    assert kept_relief(image, 1 - image, mask) < -0.5
    lower = 0.5 * image + 0.2
    assert 0.3 < kept_relief(image, lower, mask) < 0.7


@pytest.mark.skipif("HARMONY_PHOTOS" not in os.environ, reason="needs the photo set")
def test_natural_photos_are_within_the_bound():
    """Every twentieth of those that the bound was measured on; 99.5% of all of them are."""
    photos = [photo for photo in read_photos(Path(os.environ["HARMONY_PHOTOS"]), "train") if photo.natural][::20]
    distances = []
    for photo in photos:
        image, mask = working_view(photo.image()[None], photo.foreground()[None], 256)
        distances.append(distance_from_plausible(photo.object, image[0], image[0], mask[0]))
    assert torch.tensor(distances).le(FARTHEST).float().mean() > 0.96
    assert max(distances) < math.inf
