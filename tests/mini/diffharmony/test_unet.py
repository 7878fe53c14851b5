import comfy.ops
import pytest
import torch

from diff_harmonization.host.diffharmony.harmonizer import CHANNELS
from diff_harmonization.mini.diffharmony.unet import (
    SPREAD,
    HarmonyConfig,
    HarmonyLatent,
    HarmonyModel,
    HarmonyUNet,
    harmony_config,
)

TIMESTEPS = [0, 1, 249.75, 499.5, 749.25, 999]


class Oracle(HarmonyUNet):
    """A network whose inner part is right: it knows the truth and the noise."""

    truth: torch.Tensor
    noise: torch.Tensor

    def inner(self, distance, mask, composite, timesteps, **kwargs):
        sigma = self.sigma(timesteps).to(distance.dtype)
        noisy, total = self.truth - composite + sigma * self.noise, (sigma**2 + SPREAD**2).sqrt()
        assert torch.allclose(distance, noisy / total, atol=1e-6)
        return (self.truth - composite - noisy * SPREAD**2 / total**2) / (sigma * SPREAD / total)


def build(kind: type[HarmonyUNet]) -> HarmonyUNet:
    torch.manual_seed(0)
    options = dict(HarmonyConfig.unet_config, **HarmonyConfig.unet_extra_config, dtype=torch.float32)
    unet = kind(**options, operations=comfy.ops.disable_weight_init).requires_grad_(False)
    for parameter in unet.parameters():  # the host leaves its layers uninitialised
        scale = parameter[0].numel() ** -0.5 if parameter.ndim > 1 else 0.1
        parameter.normal_(std=scale)
    return unet


@pytest.fixture
def latents():
    """Composite, truth, noise [2,4,8,8] and mask; the truth differs from the composite inside the mask alone."""
    generator = torch.Generator().manual_seed(1)
    composite, change, noise = (
        torch.randn(2, 4, 8, 8, generator=generator, dtype=torch.float64) * scale for scale in (0.5, 0.25, 1.0)
    )
    mask = torch.zeros(2, 1, 8, 8, dtype=torch.float64)
    mask[..., 2:6, 1:5] = 1
    return composite, composite + mask * change, noise, mask


def eps(unet, noisy, mask, composite, timesteps):
    scaled = noisy / (unet.sigma(timesteps).to(noisy) ** 2 + 1).sqrt()
    return unet._forward(torch.cat((scaled, mask, composite), dim=1), timesteps, None)


@pytest.mark.parametrize("timestep", TIMESTEPS)
def test_the_right_inner_output_is_the_true_noise(latents, timestep):
    composite, truth, noise, mask = latents
    oracle, timesteps = build(Oracle), torch.full((2,), timestep)
    oracle.truth, oracle.noise = truth, noise
    noisy = truth + oracle.sigma(timesteps).double() * noise
    assert torch.allclose(eps(oracle, noisy, mask, composite, timesteps), noise, atol=1e-6)


def test_outside_the_mask_the_answer_is_the_composite(latents):
    """Whatever the network says: the noisy latent minus sigma times eps is the composite's."""
    composite, truth, noise, mask = (part.float() for part in latents)
    unet, timesteps = build(HarmonyUNet), torch.full((2,), 700)
    sigma = unet.sigma(timesteps)
    noisy = truth + sigma * noise
    answer = noisy - sigma * eps(unet, noisy, mask, composite, timesteps)
    outside = (mask == 0).expand_as(answer)
    assert torch.allclose(answer[outside], composite[outside], atol=1e-4)
    assert (answer - composite)[~outside].abs().mean() > 0.01


def test_the_noise_outside_the_mask_tells_nothing(latents):
    composite, truth, noise, mask = (part.float() for part in latents)
    unet, timesteps = build(HarmonyUNet), torch.full((2,), 400)
    noisy = truth + unet.sigma(timesteps) * noise
    other = noisy + (1 - mask) * torch.randn(noisy.shape, generator=torch.Generator().manual_seed(2))
    inside = mask.expand_as(noisy) == 1
    both = (eps(unet, each, mask, composite, timesteps)[inside] for each in (noisy, other))
    assert torch.equal(*both)


def test_it_is_an_inpainting_model_of_the_host():
    model = HarmonyModel(harmony_config(torch.float32))
    assert model.diffusion_model.in_channels == CHANNELS
    assert model.concat_keys == ("mask", "masked_image")
    assert model.latent_format.spacial_downscale_ratio == 4 and model.latent_format.latent_channels == 4
    sampling = model.model_sampling.sigmas
    assert torch.allclose(model.diffusion_model.timestep_sigmas, sampling, rtol=1e-5)
    assert HarmonyLatent().process_in(torch.ones(1)).item() == 0.5
