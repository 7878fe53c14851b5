import comfy.ops
import pytest
import torch
from torch.nn import functional

from diff_harmonization.mini.unet import PATCH, SIGMA_DATA, MiniConfig, MiniLatent, MiniUNet, mini_config

TIMESTEPS = [0, 1, 20, 250, 500, 981, 999]


class Oracle(MiniUNet):
    """A network whose inner part is right: it knows the clean picture and the noise."""

    clean: torch.Tensor
    noise: torch.Tensor

    def inner(self, x, timesteps, context, **kwargs):
        sigma = self.sigma(timesteps).to(x.dtype)
        noisy, total = self.clean + sigma * self.noise, (sigma**2 + SIGMA_DATA**2).sqrt()
        assert torch.allclose(x, noisy / total, atol=1e-6)
        return (self.clean - noisy * SIGMA_DATA**2 / total**2) / (sigma * SIGMA_DATA / total)


def build(kind: type[MiniUNet]) -> MiniUNet:
    torch.manual_seed(0)
    options = dict(MiniConfig.unet_config, **MiniConfig.unet_extra_config, dtype=torch.float32)
    unet = kind(**options, operations=comfy.ops.disable_weight_init).requires_grad_(False)
    for parameter in unet.parameters():  # the host leaves its layers uninitialised
        scale = parameter[0].numel() ** -0.5 if parameter.ndim > 1 else 0.1
        parameter.normal_(std=scale)
    return unet


@pytest.fixture(scope="module")
def unet():
    return build(MiniUNet)


@pytest.fixture
def pictures():
    generator = torch.Generator().manual_seed(1)
    clean = torch.rand(2, 3, 16, 16, generator=generator, dtype=torch.float64) * 0.8 - 0.4
    return clean, torch.randn(clean.shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("timestep", TIMESTEPS)
def test_the_right_inner_output_is_the_true_noise(pictures, timestep):
    oracle = build(Oracle)
    oracle.clean, oracle.noise = pictures
    timesteps = torch.full((2,), timestep)
    sigma = oracle.sigma(timesteps).double()
    noisy = oracle.clean + sigma * oracle.noise
    eps = oracle._forward(noisy / (sigma**2 + 1).sqrt(), timesteps, None)
    assert torch.allclose(eps, oracle.noise, atol=1e-9)


@pytest.mark.parametrize("timestep", TIMESTEPS)
def test_inner_input_and_target_have_unit_variance(timestep, unet):
    """For pictures of the assumed deviation, at any noise level (Karras et al. 2022, eq. 8)."""
    generator = torch.Generator().manual_seed(2)
    clean = SIGMA_DATA * torch.randn(1, 3, 200, 200, generator=generator)
    noise, sigma = torch.randn(clean.shape, generator=generator), unet.sigma(torch.tensor([timestep]))
    noisy, total = clean + sigma * noise, (sigma**2 + SIGMA_DATA**2).sqrt()
    target = (clean - noisy * SIGMA_DATA**2 / total**2) / (sigma * SIGMA_DATA / total)
    assert (noisy / total).std().item() == pytest.approx(1, abs=0.02)
    assert target.std().item() == pytest.approx(1, abs=0.02)


def test_the_schedule_is_the_hosts(handles, unet):
    sampling = handles[0].get_model_object("model_sampling")
    assert torch.allclose(unet.timestep_sigmas, sampling.sigmas, rtol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (61, 64), (50, 39), (5, 3), (4, 4)])
def test_sizes_that_are_no_multiple_of_a_patch(unet, height, width):
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(2, 3, height, width, generator=generator)
    context = torch.randn(2, 77, MiniConfig.unet_config["context_dim"], generator=generator)
    out = unet._forward(x, torch.tensor([10, 700]), context)
    assert out.shape == x.shape
    assert out.isfinite().all()


def test_odd_sizes_are_padded_with_their_border(unet):
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(1, 3, 14, 15, generator=generator)
    context, timesteps = torch.randn(1, 77, 256, generator=generator), torch.tensor([300])
    padded = functional.pad(x, (0, 1, 0, 2), mode="replicate")
    assert padded.shape[-1] % PATCH == padded.shape[-2] % PATCH == 0
    whole = unet._forward(padded, timesteps, context)
    assert torch.allclose(unet._forward(x, timesteps, context), whole[..., :14, :15], atol=1e-5)


def test_rows_of_a_batch_do_not_mix(unet):
    generator = torch.Generator().manual_seed(4)
    x, context = torch.randn(2, 3, 16, 16, generator=generator), torch.randn(2, 77, 256, generator=generator)
    timesteps = torch.tensor([100, 900])
    both = unet._forward(x, timesteps, context)
    for row in range(2):
        alone = unet._forward(x[row : row + 1], timesteps[row : row + 1], context[row : row + 1])
        assert torch.allclose(both[row : row + 1], alone, atol=1e-4)


@pytest.mark.parametrize("sigma_index", TIMESTEPS)
def test_the_host_sees_edms_denoiser(handles, sigma_index):
    """The MODEL's denoised picture is c_skip x + c_out F(c_in x): the host's eps wrapping cancels."""
    model = handles[0].model
    generator = torch.Generator().manual_seed(5)
    with torch.inference_mode():
        sigma = model.model_sampling.sigmas[sigma_index : sigma_index + 1]
        context = torch.randn(1, 77, 256, generator=generator)
        noise = torch.randn(1, 3, 64, 64, generator=generator)
        noisy = SIGMA_DATA * torch.randn(noise.shape, generator=generator) + sigma * noise
        denoised = model.apply_model(noisy, sigma, c_crossattn=context)
        total = (sigma**2 + SIGMA_DATA**2).sqrt()
        inner = model.diffusion_model.inner(noisy / total, torch.tensor([sigma_index]), context, transformer_options={})
    expected = SIGMA_DATA**2 / total**2 * noisy + sigma * SIGMA_DATA / total * inner
    assert torch.allclose(denoised, expected, atol=2e-4 * max(1.0, sigma.item()))


def test_latents_are_scaled_pixels():
    latent, pixels = MiniLatent(), torch.rand(1, 3, 4, 4)
    assert torch.allclose(latent.process_out(latent.process_in(pixels)), pixels)
    factors = torch.tensor(latent.latent_rgb_factors)
    assert torch.allclose(latent.process_in(pixels).movedim(1, -1) @ factors, pixels.movedim(1, -1) / 2)  # previews


def test_config_names_the_dtype():
    assert mini_config(torch.float16).unet_config["dtype"] is torch.float16
    assert not mini_config(torch.float32).inpaint_model()
