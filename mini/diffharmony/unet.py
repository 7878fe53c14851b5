"""The embedded DiffHarmony's UNet: the host's own class with 9 input channels, preconditioned about the composite.

The picture to be made resembles the composite. So the network sees how far the noisy latent is from the composite's,
and predicts what is left of this distance once the optimal linear denoiser has had its say (Karras et al. 2022,
eq. 7-8, with the composite as the mean). Outside the mask the answer is the composite. Outwardly the module predicts
eps.
"""

from __future__ import annotations

import comfy.latent_formats
import comfy.model_base
import comfy.supported_models_base
import torch
from torch import Tensor, nn

from ..unet import ScheduledUNet
from .vae import LATENT, SCALE

SIZE = 64  # of the square that it was trained on, pixels
SPREAD = 0.25  # standard deviation of truth minus composite inside the mask, on latents as the UNet sees them
CONTEXT_DIM = 32
MEAN = 0.5  # of a binary mask, about


class HarmonyLatent(comfy.latent_formats.LatentFormat):
    """The embedded VAE's latents have unit variance. Scaled down, SD's noise hides them at every early timestep."""

    latent_channels = LATENT
    scale_factor = 0.5
    spacial_downscale_ratio = SCALE


class HarmonyConfig(comfy.supported_models_base.BASE):
    """The host's description of this model, in the form it keeps for SD1.5's inpainting model."""

    unet_config = {
        "image_size": 16,
        "in_channels": 2 * LATENT + 1,
        "out_channels": LATENT,
        "model_channels": 64,
        "num_res_blocks": [1, 1, 1],
        "channel_mult": [1, 2, 2],
        "transformer_depth": [0, 1, 0],
        "transformer_depth_output": [0, 0, 1, 1, 0, 0],
        "transformer_depth_middle": 1,
        "context_dim": CONTEXT_DIM,
        "use_linear_in_transformer": True,
        "use_spatial_transformer": True,
        "adm_in_channels": None,
        "use_temporal_attention": False,
        "legacy": False,
    }
    unet_extra_config = {"num_heads": -1, "num_head_channels": 32}
    latent_format = HarmonyLatent
    memory_usage_factor = 0.5

    def inpaint_model(self) -> bool:
        return True


class HarmonyUNet(ScheduledUNet):
    """The UNet of (noisy latent, mask, composite's latent).

    It was trained with the empty prompt alone, so it holds what stands for that itself: any text encoder will do.
    """

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        self.empty_prompt = nn.Parameter(torch.zeros(1, 1, CONTEXT_DIM))

    def inner(self, distance: Tensor, mask: Tensor, composite: Tensor, timesteps: Tensor, **kwargs) -> Tensor:
        """The network proper: unit-variance input to unit-variance output (F of Karras et al.).

        Args:
            distance: noisy minus composite over the root of noise and SPREAD squared, [B,4,h,w].
            mask: [B,1,h,w], 0 or 1.
            composite: [B,4,h,w], scaled.
            timesteps: [B].
        """
        shown = torch.cat((distance * mask, mask - MEAN, composite / HarmonyLatent.scale_factor), dim=1)
        text = self.empty_prompt.to(shown).expand(len(shown), -1, -1)
        return super()._forward(shown, timesteps, text, **kwargs)

    def _forward(
        self, x: Tensor, timesteps: Tensor, context: Tensor, y=None, control=None, transformer_options=None, **kwargs
    ) -> Tensor:
        """x = noisy / sqrt(sigma^2 + 1), mask and composite, as the host hands them to an eps model; returns eps."""
        scaled, mask, composite = x.split((LATENT, 1, LATENT), dim=1)
        sigma = self.sigma(timesteps).to(x.dtype)
        distance = scaled * (sigma**2 + 1).sqrt() - composite
        total = (sigma**2 + SPREAD**2).sqrt()
        options = {} if transformer_options is None else transformer_options
        inner = self.inner(
            distance / total, mask, composite, timesteps, control=control, transformer_options=options, **kwargs
        )
        # denoised = composite + mask (c_skip distance + c_out inner), and eps = (noisy - denoised) / sigma
        inside = distance * sigma / total**2 - inner * SPREAD / total
        return torch.lerp(distance / sigma, inside, mask)


class HarmonyModel(comfy.model_base.BaseModel):
    """The host's model around HarmonyUNet."""

    def __init__(self, model_config: HarmonyConfig, device: torch.device | None = None) -> None:
        super().__init__(model_config, comfy.model_base.ModelType.EPS, device=device, unet_model=HarmonyUNet)
        self.set_inpaint()


def harmony_config(dtype: torch.dtype, manual_cast_dtype: torch.dtype | None = None) -> HarmonyConfig:
    config = HarmonyConfig(HarmonyConfig.unet_config)
    config.set_inference_dtype(dtype, manual_cast_dtype)
    return config
