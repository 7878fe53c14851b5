import math

import numpy as np
import pytest
import torch

from diff_harmonization.data.recoloring import families
from diff_harmonization.data.recoloring.families import (
    FAMILIES,
    GLOBAL,
    GRADES,
    LUT_DEGREE,
    LUT_SHIFT,
    STOPS,
    TEMPERATURE,
    TINT,
    smooth_lut,
    towards_look,
)
from diff_harmonization.data.recoloring.lab import region_statistics, to_lab


def strengths(*values):
    return torch.tensor(values).reshape(-1, 1, 1, 1)


def changed(name, picture, strength, seed=0):
    image, mask = picture
    rows = len(strength)
    generator = torch.Generator().manual_seed(seed)
    return FAMILIES[name](image.expand(rows, -1, -1, -1), mask.expand(rows, -1, -1, -1), strength, generator)


def linear(srgb):
    """IEC 61966-2-1 inverted, by hand."""
    values = np.asarray(srgb, dtype=np.float64)
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


@pytest.fixture
def gray():
    """A ramp that no exposure here clips, and no mask."""
    ramp = torch.linspace(0.02, 0.2, 64).reshape(1, 1, 8, 8).expand(1, 3, 8, 8)
    return ramp, torch.ones(1, 1, 8, 8)


@pytest.mark.parametrize("name", FAMILIES)
def test_no_strength_changes_nothing(name, picture):
    out = changed(name, picture, strengths(0.0, 0.0))
    assert torch.allclose(out, picture[0].expand(2, -1, -1, -1), atol=2e-4)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_change_grows_with_the_strength(name, picture):
    image, rows = picture[0], 64
    means = []
    for strength in (0.0, 0.25, 0.5, 1.0):
        out = changed(name, picture, torch.full((rows, 1, 1, 1), strength))
        means.append((to_lab(out) - to_lab(image)).norm(dim=1).mean().item())
    assert means == sorted(means)
    assert means[3] > 5 > 0.1 > means[0]
    assert means[1] < 0.6 * means[2] + 0.1 and means[2] < 0.75 * means[3]


@pytest.mark.parametrize("name", FAMILIES)
def test_the_strength_is_each_pictures_own(name, picture):
    out = changed(name, picture, strengths(0.0, 1.0, 0.0))
    for row in (0, 2):
        assert torch.allclose(out[row], picture[0][0], atol=2e-4)
    assert (out[1] - picture[0][0]).abs().mean() > 0.01


@pytest.mark.parametrize("name", FAMILIES)
def test_values_stay_in_0_1(name):
    image = torch.rand(8, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    image[0], image[1] = 0, 1
    out = changed(name, (image, torch.ones(8, 1, 16, 16)), torch.full((8, 1, 1, 1), 3.0))
    assert out.isfinite().all() and out.min() >= 0 and out.max() <= 1


@pytest.mark.parametrize("name", FAMILIES)
def test_a_seed_gives_the_same_bits(name, picture):
    strength = strengths(0.7, 1.0)
    first, again, other = (changed(name, picture, strength, seed) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other, atol=1e-3)
    assert not torch.allclose(first[0], first[1], atol=1e-3)


@pytest.mark.parametrize("name", GLOBAL)
def test_a_global_family_sends_a_color_to_one_color(name, picture):
    image, mask = picture[0].clone(), picture[1]
    image[..., 0, 0] = image[..., 31, 31] = image[..., 16, 16]
    out = changed(name, (image, mask), strengths(1.0))
    assert torch.allclose(out[..., 0, 0], out[..., 16, 16], atol=1e-6)
    assert torch.allclose(out[..., 31, 31], out[..., 16, 16], atol=1e-6)


def test_whole_photos_are_graded_by_global_families():
    assert set(GRADES) <= set(GLOBAL)


def test_exposure_and_white_balance_are_gains_in_linear_light(gray):
    image, mask = gray
    strength = strengths(0.5)
    out = FAMILIES["exposure and white balance"](image, mask, strength, torch.Generator().manual_seed(2))
    stops, temperature, tint = torch.randn(3, generator=torch.Generator().manual_seed(2)).tolist()
    stops, temperature, tint = 0.5 * STOPS * stops, 0.5 * TEMPERATURE * temperature, 0.5 * TINT * tint
    gains = linear(out.numpy()) / linear(image.numpy())
    for channel, expected in enumerate((stops + temperature, stops + tint, stops - temperature)):
        np.testing.assert_allclose(gains[0, channel], 2**expected, rtol=2e-3)


def test_a_local_light_is_a_gain_that_varies_smoothly_over_the_picture(gray):
    image, mask = gray
    out = FAMILIES["local light"](image, mask, strengths(0.5), torch.Generator().manual_seed(0))
    stops = np.log2(linear(out.numpy()) / linear(image.numpy()))[0]
    assert np.ptp(stops[1]) > 0.3  # green has no temperature: it is exposure alone
    np.testing.assert_allclose(stops[0] + stops[2], 2 * stops[1], atol=5e-3)  # warm takes from blue what it gives red
    assert np.abs(np.diff(stops[1], axis=-1)).max() < 0.5 * np.ptp(stops[1])


def test_gamma_and_gains_is_a_power_a_gain_and_a_saturation(picture):
    """Of a gray picture the saturation leaves the mean of the channels."""
    image = picture[0].mean(1, keepdim=True).expand(-1, 3, -1, -1)
    out = FAMILIES["gamma and gains"](image, picture[1], strengths(0.3), torch.Generator().manual_seed(1))
    logs = out.mean(1).log().flatten(), image[:, 0].log().flatten()
    slope = torch.linalg.lstsq(torch.stack((logs[1], torch.ones_like(logs[1])), 1), logs[0][:, None]).solution
    fitted = slope[0] * logs[1] + slope[1]
    assert torch.allclose(fitted, logs[0], atol=1e-4)
    generator = torch.Generator().manual_seed(1)
    gamma, saturation = torch.randn(2, generator=generator).tolist()
    gains = (families.LOG_GAIN * 0.3 * torch.randn(3, generator=generator)).exp()
    assert slope[0].item() == pytest.approx(math.exp(0.3 * families.LOG_GAMMA * gamma), rel=1e-4)
    assert slope[1].exp().item() == pytest.approx(gains.mean().item(), rel=1e-4)
    spread = (out - out.mean(1, keepdim=True)) / out.mean(1, keepdim=True)
    expected = (gains / gains.mean() - 1) * math.exp(0.3 * families.LOG_SATURATION * saturation)
    assert torch.allclose(spread, expected[:, None, None].expand_as(spread), atol=1e-4)


def test_curves_rise_in_every_channel():
    ramp = torch.linspace(0, 1, 64).reshape(1, 1, 1, 64).expand(64, 3, 1, 64)
    strength = torch.full((64, 1, 1, 1), 2.0)
    out = FAMILIES["curves"](ramp, torch.ones(64, 1, 1, 64), strength, torch.Generator().manual_seed(0))
    assert (out.diff(dim=-1) >= -1e-6).all()
    assert (out[:, 0] - out[:, 1]).abs().amax(-1).mean() > 0.01  # the channels differ a little
    assert (out[:, 0] - out[:, 1]).abs().mean() < (out - ramp).abs().mean()


def test_bernstein_polynomials():
    values = torch.linspace(0, 1, 11)[None]
    weights = families._bernstein(values)
    assert weights.shape == (1, LUT_DEGREE + 1, 11)
    assert torch.allclose(weights.sum(1), torch.ones(1, 11), atol=1e-6)  # so a constant table shifts constantly
    t = values[0]
    assert torch.allclose(weights[0, 1], 3 * t * (1 - t) ** 2, atol=1e-6)
    nodes = torch.arange(LUT_DEGREE + 1) / LUT_DEGREE
    assert torch.allclose(nodes @ weights[0], t, atol=1e-6)  # and a linear one is linear


def test_a_smooth_lut_is_a_bezier_volume():
    """The sum over all nodes, one after another; at a corner of the cube it is the corner's node."""
    image = 0.3 + 0.4 * torch.rand(1, 3, 2, 2, generator=torch.Generator().manual_seed(5))
    image[..., 0, 0] = torch.tensor([1.0, 0.0, 1.0])
    strength = 0.3
    out = smooth_lut(image, image[:, :1], strengths(strength), torch.Generator().manual_seed(1))
    nodes = LUT_SHIFT * torch.randn((1, 3, 4, 4, 4), generator=torch.Generator().manual_seed(1))[0]
    weights = families._bernstein(image.flatten(2)[0]).unflatten(2, (2, 2))
    shift = torch.zeros(3, 2, 2)
    for r in range(4):
        for g in range(4):
            for b in range(4):
                shift += nodes[:, r, g, b, None, None] * weights[0, r] * weights[1, g] * weights[2, b]
    assert torch.allclose(shift[:, 0, 0], nodes[:, 3, 0, 3], atol=1e-6)
    assert torch.allclose(out[0], (image[0] + strength * shift).clamp(0, 1), atol=1e-5)


def test_a_look_is_reached_at_full_strength_and_half_way_at_half(picture):
    image, mask = (values.expand(3, -1, -1, -1) for values in picture)
    mean = torch.tensor([60.0, 8.0, -12.0]).reshape(1, 3, 1, 1).expand(3, -1, -1, -1)
    before = region_statistics(to_lab(image), mask)
    deviation = before[1] * torch.tensor([0.8, 1.1, 0.9]).reshape(1, 3, 1, 1)
    out = towards_look(image, mask, strengths(0.0, 0.5, 1.0), mean, deviation)
    assert torch.allclose(out[0], image[0], atol=2e-4)
    means, deviations = region_statistics(to_lab(out), mask)
    assert torch.allclose(means[2], mean[2], atol=0.3)
    assert torch.allclose(deviations[2], deviation[2], rtol=0.03)
    assert torch.allclose(means[1], (before[0][1] + mean[1]) / 2, atol=0.3)


def test_a_looks_contrast_is_twice_or_half_at_most(picture):
    image, mask = picture
    mean, before = region_statistics(to_lab(image), mask)
    out = towards_look(image, mask, strengths(1.0), mean, before * 0.1)
    assert torch.allclose(region_statistics(to_lab(out), mask)[1], before * 0.5, rtol=0.03)
