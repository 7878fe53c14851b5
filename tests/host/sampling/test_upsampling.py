"""The fused layer against the host's, which upsamples and then convolves."""

import pytest
import torch
from comfy.ldm.modules.diffusionmodules.model import Upsample
from tiny_models import fill, tiny_taesd, tiny_vae
from torch import nn

from diff_harmonization.host.sampling.gradients import engine_boundary
from diff_harmonization.host.sampling.upsampling import FusedUpsample, fuse_upsampling, transposed_weight


@pytest.fixture
def layer():
    torch.manual_seed(0)
    layer = Upsample(6, with_conv=True)
    fill(layer, 0)
    return layer.requires_grad_(False)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-6), (torch.float64, 1e-14)])
def test_picture_and_gradient_are_the_hosts(layer, dtype, tolerance):
    layer = layer.to(dtype)
    x, direction = (torch.randn(shape, dtype=dtype) for shape in ((2, 6, 5, 7), (2, 6, 10, 14)))
    results = []
    with engine_boundary():
        for upsample in (layer, FusedUpsample(layer.conv)):
            leaf = x.clone().requires_grad_()
            out = upsample(leaf)
            results.append((out.detach(), torch.autograd.grad((out * direction).sum(), leaf)[0]))
    (expected, wanted), (ours, found) = results
    torch.testing.assert_close(ours, expected, rtol=0, atol=tolerance)
    torch.testing.assert_close(found, wanted, rtol=0, atol=10 * tolerance)


def test_each_weight_goes_where_its_pixel_is_seen():
    """By hand: one channel, weights 1, 2, 3 in a row; a pixel lies below two of them, or one, of each output."""
    weight = torch.zeros(1, 1, 3, 3)
    weight[..., 1, :] = torch.tensor([1.0, 2.0, 3.0])
    row = torch.tensor([3.0, 5.0, 3.0, 1.0])
    assert torch.equal(transposed_weight(weight)[0, 0], torch.stack([0 * row, row, row, 0 * row]))


def test_all_layers_of_a_kl_vae_are_replaced():
    network = tiny_vae().first_stage_model.requires_grad_(False)
    before = sum(isinstance(module, Upsample) for module in network.modules())
    fuse_upsampling(network)
    fused = [module for module in network.modules() if isinstance(module, FusedUpsample)]
    assert len(fused) == before == 3 and not any(isinstance(module, Upsample) for module in network.modules())
    assert not any(weight.requires_grad for module in fused for weight in module.parameters())


def test_what_it_cannot_replace_stays(layer):
    other = nn.ModuleDict({"scaled": Upsample(6, True, scale_factor=3), "plain": Upsample(6, with_conv=False)})
    other["wide"] = Upsample(6, True)
    other["wide"].conv = nn.Conv2d(6, 6, 5, padding=2)
    taesd = tiny_taesd().first_stage_model
    for network in (other, taesd):
        before = list(network.modules())
        fuse_upsampling(network)
        assert list(network.modules()) == before
