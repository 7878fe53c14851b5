import torch

from diff_harmonization.mini.diffharmony.vae import GROUPS, SCALE, empty_harmony_vae, empty_vae
from diff_harmonization.training.diffharmony.vae_start import start_with_colors


def test_the_networks_have_the_same_parts():
    vae, network = empty_vae().state_dict(), empty_harmony_vae().state_dict()
    for name, value in vae.items():
        own = name.replace("encoder.", "conditional_encoder.", 1) if name.startswith("encoder.") else name
        assert network[own].shape == value.shape


def test_its_size():
    assert 2e6 < sum(parameter.numel() for parameter in empty_vae().parameters()) < 3e6


def test_no_channel_is_normalized_by_itself():
    norms = [module for module in empty_vae().modules() if isinstance(module, torch.nn.GroupNorm)]
    assert norms and all(norm.num_groups == GROUPS and norm.num_channels >= 4 * GROUPS for norm in norms)


def test_latents_are_a_quarter_as_wide():
    vae = empty_vae()
    start_with_colors(vae)
    with torch.no_grad():
        latent = vae.encode(torch.zeros(1, 3, 32, 48))
        assert latent.shape == (1, 4, 32 // SCALE, 48 // SCALE)
        assert vae.decode(latent).shape == (1, 3, 32, 48)
