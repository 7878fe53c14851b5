import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from pairs import to_lab
from PIL import Image
from safetensors.torch import load_file

from diff_harmonization.data.pairs import (
    CURVE,
    MIDDLE_GRAY,
    STOPS,
    TEMPERATURE,
    TINT,
    Recipe,
    build_pairs,
    channels_first,
    jitter_tone,
    read_pairs,
    relight,
    transfer_statistics,
)

GOLDENS = Path(__file__).with_name("goldens")
RECIPES = get_args(Recipe)


@dataclass(frozen=True)
class Drawn:
    """A photo without a file: noise with a box as object."""

    id: str
    object: str
    seed: int

    def image(self):
        return torch.randint(256, (16, 16, 3), generator=torch.Generator().manual_seed(self.seed)).float() / 255

    def foreground(self):
        mask = torch.zeros(16, 16)
        mask[4:12, 3:13] = 1
        return mask


def test_pairs_are_those_that_the_published_figures_rest_on():
    """8-bit colors that were stored before recoloring was written anew; another processor may round one of them."""
    photos = [Drawn(f"p{seed}", name, seed) for seed, name in enumerate(("tree", "car", "tree", "tree", "horse"))]
    composites = torch.stack([(pair.composite * 255).round() for pair in build_pairs(photos, seed=3)])
    difference = (composites - load_file(GOLDENS / "pairs.safetensors")["composites"].float()).abs()
    assert difference.max() <= 1
    assert difference.sum() <= 3


@pytest.mark.parametrize("recipe", RECIPES)
def test_pairs_differ_inside_the_mask_alone(photos, recipe):
    pairs = list(build_pairs(photos, recipe=recipe))
    assert [pair.id for pair in pairs] == [photo.id for photo in photos]
    for pair in pairs:
        outside = pair.mask == 0
        assert torch.equal(pair.composite[outside], pair.truth[outside])
        assert (pair.composite - pair.truth)[pair.mask > 0].abs().mean() > 2 / 255


@pytest.mark.parametrize("recipe", RECIPES)
def test_pairs_hold_8_bit_colors(photos, recipe):
    for pair in build_pairs(photos, recipe=recipe):
        levels = pair.composite * 255
        assert torch.allclose(levels, levels.round(), atol=1e-4)
        assert 0 <= pair.composite.min() <= pair.composite.max() <= 1


@pytest.mark.parametrize("recipe", RECIPES)
def test_pairs_are_the_same_every_time_and_others_with_another_seed(photos, recipe):
    first, second, other = (list(build_pairs(photos, seed, recipe)) for seed in (0, 0, 1))
    assert all(torch.equal(a.composite, b.composite) for a, b in zip(first, second, strict=True))
    assert not any(torch.equal(a.composite, b.composite) for a, b in zip(first[1::2], other[1::2], strict=True))


def test_even_pairs_take_the_look_of_the_same_kind_of_object_elsewhere(photos):
    pairs = list(build_pairs(photos))
    candidates = [photo for photo in photos if photo.object == "tree" and photo.id != "p0"]
    means = [to_lab(photo.image())[photo.mask() > 0.5].mean(0) for photo in candidates]
    got = to_lab(pairs[0].composite)[pairs[0].mask > 0].mean(0)
    assert min((got - mean).norm() for mean in means) < 1.5
    assert (got - to_lab(pairs[0].truth)[pairs[0].mask > 0].mean(0)).norm() > 5


def test_an_object_without_a_second_of_its_kind_is_jittered(photos):
    """p4, a horse, is even: its contrast about the mean survives as one gain, so it comes from no other photo."""
    pair = list(build_pairs(photos))[4]
    before, after = (to_lab(x)[pair.mask > 0] for x in (pair.truth, pair.composite))
    correlation = torch.corrcoef(torch.stack((before[:, 0], after[:, 0])))[0, 1]
    assert correlation > 0.95


def test_transfer_sets_mean_and_deviation():
    generator = torch.Generator().manual_seed(0)
    image, other = (0.4 + 0.05 * torch.randn(2, 20, 20, 3, generator=generator)).unbind(0)
    other = other + torch.tensor([0.15, 0.05, -0.05])
    whole = torch.ones(20, 20)
    got = to_lab(transfer_statistics(image, whole, other, whole)).flatten(0, 1)
    reference = to_lab(other).flatten(0, 1)
    assert torch.allclose(got.mean(0), reference.mean(0), atol=0.2)
    assert torch.allclose(got.std(0), reference.std(0), rtol=0.05)


def test_no_jitter_changes_nothing(photos):
    image, mask = photos[0].image(), photos[0].mask()
    assert torch.allclose(jitter_tone(image, mask, torch.zeros(5)), image, atol=1e-4)


def test_the_rest_of_the_picture_stays(photos):
    image, mask = photos[0].image(), photos[0].mask()
    outside = mask == 0
    for changed in (
        jitter_tone(image, mask, torch.ones(5)),
        transfer_statistics(image, mask, photos[1].image(), photos[1].mask()),
    ):
        assert torch.equal(changed[outside], image[outside])
        assert (changed - image)[~outside].abs().mean() > 0.01


def test_the_recipes_give_other_pairs_of_one_truth(photos):
    looks, light = (list(build_pairs(photos, recipe=recipe)) for recipe in ("looks", "light"))
    for one, other in zip(looks, light, strict=True):
        assert (one.id, one.object) == (other.id, other.object)
        assert torch.equal(one.truth, other.truth) and torch.equal(one.mask, other.mask)
        assert (one.composite - other.composite)[one.mask > 0].abs().mean() > 2 / 255


def linear(srgb):
    """IEC 61966-2-1 inverted, by hand."""
    values = srgb.double().numpy()
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


@pytest.fixture
def ramp():
    """Grays that no light here clips, [8,8,3], all of them object."""
    return torch.linspace(0.03, 0.55, 64).reshape(8, 8, 1).expand(8, 8, 3), torch.ones(8, 8)


def test_no_other_light_changes_nothing(photos):
    image, mask = photos[0].image(), photos[0].foreground()
    assert torch.allclose(relight(image, mask, torch.zeros(4)), image, atol=2e-4)


@pytest.mark.parametrize(
    ("even", "stops"),
    [
        ((0.5, 0.0, 0.0, 0.0), (STOPS / 2,) * 3),
        ((-1.0, 0.0, 0.0, 0.0), (-STOPS,) * 3),
        ((0.0, 1.0, 0.0, 0.0), (TEMPERATURE, 0.0, -TEMPERATURE)),
        ((0.0, 0.0, -1.0, 0.0), (0.0, -TINT, 0.0)),
    ],
)
def test_exposure_temperature_and_tint_are_gains_in_linear_light(ramp, even, stops):
    image, mask = ramp
    gains = np.log2(linear(relight(image, mask, torch.tensor(even))) / linear(image))
    np.testing.assert_allclose(gains, np.broadcast_to(stops, gains.shape), atol=3e-3)


@pytest.mark.parametrize("curve", [-1.0, 0.7])
def test_the_curve_is_a_power_that_leaves_middle_gray(ramp, curve):
    image, mask = ramp
    got = linear(relight(image, mask, torch.tensor([0.0, 0.0, 0.0, curve])))
    expected = MIDDLE_GRAY * (linear(image) / MIDDLE_GRAY) ** (2 ** (CURVE * curve))
    np.testing.assert_allclose(got, expected, rtol=3e-3)
    below, above = got < MIDDLE_GRAY, got > MIDDLE_GRAY
    assert below.any() and above.any()
    darkened = got < linear(image)
    assert (darkened[below] == (curve > 0)).all() and (darkened[above] == (curve < 0)).all()


def test_light_that_is_too_strong_is_clipped():
    out = relight(torch.ones(2, 2, 3), torch.ones(2, 2), torch.ones(4))
    assert torch.allclose(out, torch.ones(2, 2, 3), atol=1e-6) and out.max() <= 1


def test_light_is_drawn_evenly_within_its_limits(ramp):
    """Half of the photos are brightened, and none by more than all numbers together allow."""

    @dataclass(frozen=True)
    class Ramp:
        id: str
        object = "tree"

        def image(self):
            return ramp[0]

        def foreground(self):
            return ramp[1]

    pairs = build_pairs([Ramp(str(number)) for number in range(300)], recipe="light")
    middle = (linear(ramp[0])[..., 1] - MIDDLE_GRAY) ** 2
    row, column = np.unravel_index(middle.argmin(), middle.shape)
    gains = [np.log2(linear(pair.composite)[row, column, 1] / linear(ramp[0])[row, column, 1]) for pair in pairs]
    assert np.mean(np.array(gains) > 0) == pytest.approx(0.5, abs=0.1)
    assert np.abs(gains).max() < (STOPS + TINT) * 2**CURVE
    assert np.std(gains) == pytest.approx(STOPS / 3**0.5, rel=0.2)


def test_channels_come_first():
    image, mask = channels_first(torch.rand(4, 6, 3), torch.full((4, 6), 0.3))
    assert image.shape == (1, 3, 4, 6)
    assert torch.equal(mask, torch.ones(1, 1, 4, 6))


def test_read_pairs(pairs_folder):
    pairs = list(read_pairs(pairs_folder))
    assert [(pair.id, pair.object) for pair in pairs] == [("0", "tree"), ("1", "car")]
    assert pairs[0].composite.shape == pairs[0].truth.shape == (*pairs[0].mask.shape, 3)
    assert set(pairs[0].mask.unique().tolist()) == {0, 1}
    assert pairs[0].foreground_ratio == pytest.approx(16 * 16 / 40**2)


def test_a_folder_without_an_index(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"No pairs in .*index.csv \(id,object\)"):
        list(read_pairs(tmp_path))


def test_an_index_without_a_column(pairs_folder):
    (pairs_folder / "index.csv").write_text("id,name\n0,tree\n")
    with pytest.raises(ValueError, match="index.csv lacks the column object; expected id,object"):
        list(read_pairs(pairs_folder))


def test_a_missing_file(pairs_folder):
    (pairs_folder / "truths" / "1.png").unlink()
    with pytest.raises(FileNotFoundError, match="truths"):
        list(read_pairs(pairs_folder))


def test_sizes_that_differ(pairs_folder):
    Image.new("RGB", (41, 40)).save(pairs_folder / "truths" / "0.png")
    with pytest.raises(ValueError, match=r"Pair 0 in .*one size, got \(40, 40\), \(40, 41\) and \(40, 40\)"):
        list(read_pairs(pairs_folder))


@pytest.mark.parametrize(("level", "name"), [(0, "empty"), (255, "full")])
def test_masks_without_two_regions(pairs_folder, level, name):
    Image.new("L", (40, 40), level).save(pairs_folder / "masks" / "1.png")
    with pytest.raises(ValueError, match=f"Pair 1 in .*the mask is {name}"):
        list(read_pairs(pairs_folder))


def test_pairs_are_read_one_at_a_time(pairs_folder):
    pairs = read_pairs(pairs_folder)
    assert next(pairs).id == "0"
    shutil.rmtree(pairs_folder / "composites")
    with pytest.raises(FileNotFoundError):
        next(pairs)
