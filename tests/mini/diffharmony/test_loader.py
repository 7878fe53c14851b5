"""The embedded DiffHarmony as a node loads it."""

import copy

import pytest
import torch

from diff_harmonization.core.weights import shipped_weights
from diff_harmonization.host.diffharmony.harmonizer import (
    SamplingSettings,
    harmonize,
    require_unet,
    require_vae,
    sample,
)
from diff_harmonization.mini.diffharmony.loader import DIRECTIONS, MANIFESTS, load_diffharmony
from diff_harmonization.mini.diffharmony.unet import SIZE

SETTINGS = SamplingSettings(size=SIZE, view="crop")


@pytest.fixture(autouse=True)
def executor():
    """Runs a test as the host runs a node."""
    with torch.inference_mode():
        yield


@pytest.fixture(scope="module")
def models():
    with torch.inference_mode():
        return load_diffharmony()


@pytest.fixture
def picture():
    """Noise about two tones, with a box as object."""
    generator = torch.Generator().manual_seed(0)
    mask = torch.zeros(1, 80, 100)
    mask[:, 20:60, 30:70] = 1
    image = 0.4 + 0.2 * mask[..., None] * torch.tensor([1.0, -0.5, -1.0])
    return image + 0.1 * torch.rand(1, 80, 100, 3, generator=generator), mask


def test_all_weights_together_are_small():
    assert sum(shipped_weights(manifest).stat().st_size for manifest in MANIFESTS.values()) <= 40e6


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_the_handles_fit_each_other(direction, picture):
    with torch.inference_mode():
        models = load_diffharmony(direction)
    require_unet(models.model)
    require_vae(models.vae, models.model)
    assert models.harmony_vae.scale == 4
    image, mask = picture
    done = harmonize(models, image, mask, SETTINGS, carry="lut")
    assert torch.equal(done.image[mask == 0], image[mask == 0])
    assert torch.equal(harmonize(models, image, mask, SETTINGS, carry="lut").image, done.image)


def test_another_direction_is_refused():
    with pytest.raises(ValueError, match="^`direction`: got 'up', expected one of harmonize, inverse"):
        load_diffharmony("up")


def test_the_vae_keeps_colors(models, picture):
    square = picture[0][:, :64, :64]
    decoded = models.vae.decode(models.vae.encode(square))
    assert decoded.shape == square.shape
    assert (decoded.mean((1, 2)) - square.mean((1, 2))).abs().max() < 0.03


def test_stable_diffusion_s_latents_do_not_fit(models):
    sd15 = copy.copy(models.vae)
    sd15.downscale_ratio = 8
    with pytest.raises(
        ValueError, match="^`vae`: got AutoencoderKL, which makes pictures 8 times smaller; this .* 4 times"
    ):
        require_vae(sd15, models.model)


def test_the_text_does_not_matter(models):
    """The UNet holds its own empty prompt."""
    latent, shown = torch.zeros(1, 4, 16, 16), {"concat_latent_image": torch.zeros(1, 4, 16, 16)}
    shown["concat_mask"] = torch.ones(1, 1, 16, 16)
    texts = [[[torch.randn(1, 77, 256, generator=torch.Generator().manual_seed(n)), dict(shown)]] for n in (0, 1)]
    assert torch.equal(*(sample(models.model, text, latent, 2, seed=0) for text in texts))
