"""The embedded UNet: the host's own class on 4x4 patches, preconditioned as EDM does, outwardly eps-prediction.

64x64 pixels are a 3-channel latent; the UNet sees 16x16 patches of 48 channels, so that its attention maps are
16x16 as SD2's are. A small network cannot copy 48 channels of noise, so it predicts what is left once the
optimal linear denoiser has had its say (Karras et al. 2022, eq. 7-8), and the module converts that to noise.
"""

from __future__ import annotations

import comfy.latent_formats
import comfy.model_base
import comfy.supported_models_base
import torch
from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel
from torch import Tensor
from torch.nn import functional

PATCH = 4
SIGMA_DATA = 0.2  # standard deviation of photographs in [-1, 1], about 0.5, times the latent's scale
CONTEXT_DIM = 256


class MiniLatent(comfy.latent_formats.LatentFormat):
    """Pixels as latents, scaled down: at full scale SD's noise leaves the mean color readable at every timestep,
    and a model then ignores color words."""

    latent_channels = 3
    scale_factor = 0.4
    spacial_downscale_ratio = 1
    latent_rgb_factors = [[1.25, 0.0, 0.0], [0.0, 1.25, 0.0], [0.0, 0.0, 1.25]]  # x / 0.4 / 2, for previews


class MiniConfig(comfy.supported_models_base.BASE):
    """The host's description of this model, in the form it keeps for SD2."""

    unet_config = {
        "image_size": 64,
        "in_channels": 3 * PATCH**2,
        "out_channels": 3 * PATCH**2,
        "model_channels": 64,
        "num_res_blocks": [2, 2, 1],
        "channel_mult": [1, 2, 3],
        "transformer_depth": [1, 1, 1, 1, 1],
        "transformer_depth_output": [1, 1, 1, 1, 1, 1, 1, 1],
        "transformer_depth_middle": 1,
        "context_dim": CONTEXT_DIM,
        "use_linear_in_transformer": True,
        "use_spatial_transformer": True,
        "adm_in_channels": None,
        "use_temporal_attention": False,
        "legacy": False,
    }
    unet_extra_config = {"num_heads": -1, "num_head_channels": 32}
    latent_format = MiniLatent
    memory_usage_factor = 0.5

    def inpaint_model(self) -> bool:
        return False


class ScheduledUNet(UNetModel):
    """UNetModel that knows the noise levels of its timesteps: SD's schedule."""

    timestep_sigmas: Tensor  # [1000]

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2  # SD's schedule
        alpha_bar = torch.cumprod(1 - betas, dim=0)
        self.register_buffer("timestep_sigmas", ((1 - alpha_bar) / alpha_bar).sqrt().float(), persistent=False)

    def sigma(self, timesteps: Tensor) -> Tensor:
        """Noise levels [B,1,1,1] of timesteps [B]."""
        sigmas = self.timestep_sigmas.to(timesteps.device)
        return sigmas[timesteps.round().long().clamp(0, len(sigmas) - 1)][:, None, None, None]


class MiniUNet(ScheduledUNet):
    """The UNet between a patching and an unpatching; takes and returns [B,3,H,W] of any H, W."""

    def inner(self, x: Tensor, timesteps: Tensor, context: Tensor, **kwargs) -> Tensor:
        """The network proper: unit-variance input to unit-variance output (F of Karras et al.)."""
        height, width = x.shape[-2:]
        x = functional.pad(x, (0, -width % PATCH, 0, -height % PATCH), mode="replicate")
        patches = functional.pixel_unshuffle(x, PATCH)
        out = super()._forward(patches, timesteps, context, **kwargs)
        return functional.pixel_shuffle(out, PATCH)[..., :height, :width]

    def _forward(
        self, x: Tensor, timesteps: Tensor, context: Tensor, y=None, control=None, transformer_options=None, **kwargs
    ) -> Tensor:
        """x = noisy / sqrt(sigma^2 + 1), as the host hands it to an eps model; returns eps."""
        sigma = self.sigma(timesteps).to(x.dtype)
        noisy = x * (sigma**2 + 1).sqrt()
        total = (sigma**2 + SIGMA_DATA**2).sqrt()
        options = {} if transformer_options is None else transformer_options
        inner = self.inner(
            noisy / total, timesteps, context, y=y, control=control, transformer_options=options, **kwargs
        )
        # denoised = c_skip noisy + c_out inner, and eps = (noisy - denoised) / sigma
        return noisy * sigma / total**2 - inner * SIGMA_DATA / total


class MiniModel(comfy.model_base.BaseModel):
    """The host's model around MiniUNet."""

    def __init__(self, model_config: MiniConfig, device: torch.device | None = None) -> None:
        super().__init__(model_config, comfy.model_base.ModelType.EPS, device=device, unet_model=MiniUNet)


def mini_config(dtype: torch.dtype, manual_cast_dtype: torch.dtype | None = None) -> MiniConfig:
    config = MiniConfig(MiniConfig.unet_config)
    config.set_inference_dtype(dtype, manual_cast_dtype)
    return config
