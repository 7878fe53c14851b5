import importlib.util
import sys

import pytest
import torch

from diff_harmonization.methods.zero_shot.structure import pidinet
from diff_harmonization.methods.zero_shot.structure.pidinet import PiDiNetEdges, build_network


@pytest.mark.parametrize("channels", [60, 20])
@pytest.mark.parametrize("prefix", ["module.", ""])
def test_both_published_layouts_are_recognized(network, channels, prefix):
    source = network(channels)
    built = build_network({prefix + name: value for name, value in source.state_dict().items()})
    assert built.init_block.weight.shape[0] == channels
    image = torch.rand(1, 3, 17, 23, generator=torch.Generator().manual_seed(0))
    assert torch.equal(built(image)[-1], source(image)[-1])


@pytest.mark.parametrize("size", [(24, 20), (17, 23), (8, 8), (65, 33)])
def test_edges_have_the_pictures_size_and_are_probabilities(network, size):
    edges = PiDiNetEdges(network(20))(torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0)))
    assert edges.shape == (2, 1, *size)
    assert edges.min() >= 0 and edges.max() <= 1


def test_pictures_are_normalized_as_imagenets(network):
    plain = network(20)
    image = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    normal = torch.stack(
        [(image[:, i] - m) / s for i, (m, s) in enumerate(zip(pidinet.MEAN, pidinet.SPREAD, strict=True))], 1
    )
    torch.testing.assert_close(PiDiNetEdges(plain)(image), plain(normal)[-1])


@pytest.mark.parametrize("channels", [60, 20])
def test_gradient_matches_finite_differences(network, channels, float64):
    """A tiny step: a larger one crosses kinks of its rectifiers. The fast mode projects on random directions."""
    edges = PiDiNetEdges(network(channels))
    image = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(2), requires_grad=True)
    assert torch.autograd.gradcheck(edges, image, eps=1e-7, atol=1e-6, rtol=1e-4, fast_mode=True)


@pytest.mark.parametrize("channels", [60, 20])
def test_gradient_is_not_zero(network, channels, image):
    """The authors' code runs the network without gradients, so that its term does nothing."""
    image = image.requires_grad_()
    (gradient,) = torch.autograd.grad(PiDiNetEdges(network(channels))(image).sum(), image)
    assert (gradient != 0).float().mean() > 0.5


def test_published_weights_find_the_edges_and_have_a_gradient(tiny_weights, image):
    edges = PiDiNetEdges(build_network(torch.load(tiny_weights, weights_only=True)["state_dict"]))
    image = torch.nn.functional.interpolate(image, scale_factor=4).requires_grad_()
    found = edges(image)
    inside, border = found[0, 0, 40:56, 36:44].mean(), found[0, 0, 23:25, 24:56].mean()
    assert border > 0.3 and inside < 0.3 * border
    (gradient,) = torch.autograd.grad(found.square().mean(), image)
    assert gradient.abs().max() > 1e-6 and (gradient != 0).float().mean() > 0.5


def test_other_weights_are_refused(network):
    with pytest.raises(ValueError, match="no `init_block.weight`, expected 60 .table5_pidinet. or 20"):
        build_network({"conv.weight": torch.zeros(3)})
    with pytest.raises(ValueError, match="found 30 channels"):
        build_network({"module.init_block.weight": torch.zeros(30, 3, 3, 3)})
    without = {name: value for name, value in network(20).state_dict().items() if "attentions" not in name}
    with pytest.raises(
        ValueError, match="12 of their tensors are not those of table5_pidinet-tiny, such as `attentions.0"
    ):
        build_network(without)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    pidinet._network_code.cache_clear()
    with pytest.raises(ModuleNotFoundError, match="pip install --no-deps controlnet-aux"):
        pidinet.empty_network(60)


def test_the_rest_of_the_package_is_not_imported(network):
    network(20)
    assert "controlnet_aux" not in sys.modules and "controlnet_aux.open_pose" not in sys.modules
