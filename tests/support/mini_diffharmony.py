"""The embedded DiffHarmony's networks with weights of chance, as the trainings begin with."""

from __future__ import annotations

from safetensors.torch import save_file
from tiny_models import fill
from torch import Tensor, nn

from diff_harmonization.mini.diffharmony.vae import empty_harmony_vae, empty_vae
from diff_harmonization.training.diffharmony.unet import start
from diff_harmonization.training.diffharmony.vae_start import start_with_colors
from diff_harmonization.training.settings import DiffHarmonySettings


def lively_weights(seed: int = 0) -> dict[str, Tensor]:
    """What a bundle with a VAE holds. The VAE keeps colors; its Harmony-VAE has the same parts, and skips at zero."""
    vae, unet, harmony_vae = empty_vae(), start(DiffHarmonySettings(steps=1)), empty_harmony_vae()
    start_with_colors(vae)
    fill(unet, seed)
    own = dict(vae.state_dict())
    for name in harmony_vae.state_dict():
        source = name.replace("conditional_encoder.", "encoder.", 1)
        if source in own:
            harmony_vae.state_dict()[name].copy_(own[source])
    return _prefixed(vae=vae, unet=unet, harmony_vae=harmony_vae)


def write_lively(path, seed: int = 0):
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.half().contiguous() for name, value in lively_weights(seed).items()}, path)
    return path


def _prefixed(**networks: nn.Module) -> dict[str, Tensor]:
    return {f"{part}.{name}": value for part, own in networks.items() for name, value in own.state_dict().items()}
