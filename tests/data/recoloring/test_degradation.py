import io

import numpy as np
import pytest
import torch
from PIL import Image

from diff_harmonization.data.recoloring import degradation
from diff_harmonization.data.recoloring.degradation import NOISE, SHARE, degrade


@pytest.fixture
def texture():
    """[3,40,56] of colored noise on a ramp, with an edge."""
    noise = torch.rand(3, 40, 56, generator=torch.Generator().manual_seed(0))
    image = 0.3 * noise + 0.5 * torch.linspace(0, 1, 56)
    image[:, :20] += 0.2
    return image


def several(image, count):
    return [degrade(image, torch.Generator().manual_seed(seed)) for seed in range(count)]


def test_size_and_range_are_kept(texture):
    for image in (texture, (texture > 0.5).float()):
        for out in several(image, 60):
            assert out.shape == image.shape and out.dtype == torch.float32
            assert out.min() >= 0 and out.max() <= 1


def test_a_seed_gives_the_same_bits(texture):
    before = texture.clone()
    for seed in range(12):
        first, again = (degrade(texture, torch.Generator().manual_seed(seed)) for _ in range(2))
        assert torch.equal(first, again)
    assert torch.equal(texture, before)


def test_as_many_pictures_stay_as_the_shares_say(texture):
    outs = several(texture, 400)
    untouched = sum(torch.equal(out, texture) for out in outs) / len(outs)
    assert untouched == pytest.approx((1 - SHARE) ** 4, abs=0.05)


def test_the_colors_stay_about_the_same(texture):
    """What a recoloring did must still be seen."""
    for out in several(texture, 60):
        assert (out.mean((1, 2)) - texture.mean((1, 2))).abs().max() < 0.01


@pytest.mark.parametrize("chosen", range(4))
def test_each_kind_of_damage_comes_alone_too(texture, chosen):
    """Smaller and softer pictures lose detail; noise adds to it; JPEG leaves whole levels of 8 bits."""
    for seed in range(1000):
        draws = torch.rand(4, generator=torch.Generator().manual_seed(seed)) < SHARE
        if draws.tolist() == [index == chosen for index in range(4)]:
            break
    out = degrade(texture, torch.Generator().manual_seed(seed))
    assert not torch.equal(out, texture)
    detail = [values.diff(dim=-1).abs().mean().item() for values in (texture, out)]
    if chosen in (0, 1):
        assert detail[1] < detail[0]
    if chosen == 2:
        assert 0 < (out - texture).std() < 1.1 * NOISE
    levels = out * 255
    assert torch.allclose(levels, levels.round(), atol=1e-3) == (chosen == 3)


@pytest.mark.parametrize("quality", [40, 95])
def test_jpeg_is_that_of_any_other_program(texture, quality):
    pixels = (texture * 255).round().byte()
    buffer = io.BytesIO()
    Image.fromarray(pixels.movedim(0, -1).numpy()).save(buffer, "JPEG", quality=quality)
    expected = np.asarray(Image.open(buffer)).astype(float)
    ours = degradation._through_jpeg(texture, quality).movedim(0, -1).numpy() * 255
    error = np.abs(ours - pixels.movedim(0, -1).numpy()).mean(), np.abs(expected - pixels.movedim(0, -1).numpy()).mean()
    assert error[0] == pytest.approx(error[1], rel=0.05)
    assert np.abs(ours - expected).mean() < 0.2 * error[0]
