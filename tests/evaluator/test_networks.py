import pytest
import timm
import torch
from published import published

from diff_harmonization.evaluator.networks import (
    SIDE,
    EfficientNetLite0,
    RegionNetwork,
    ResNet50,
    SameConv2d,
    region_means,
    with_pretrained,
)


@pytest.fixture
def squares():
    generator = torch.Generator().manual_seed(0)
    mask = (torch.rand(2, 1, 8, 8, generator=generator) < 0.4).float().repeat_interleave(32, 2).repeat_interleave(32, 3)
    return torch.cat((torch.rand(2, 3, SIDE, SIDE, generator=generator) * 2 - 1, mask), dim=1)


def settled(network, seed=0):
    """Every batch statistic and scale at random, so that a wrong order or epsilon shows."""
    generator = torch.Generator().manual_seed(seed)
    for name, value in network.state_dict().items():
        if "bn" in name and value.is_floating_point():
            value.copy_(0.5 + torch.rand(value.shape, generator=generator))
    return network.eval()


@pytest.mark.parametrize("side", [128, 97])  # "SAME" pads odd sides otherwise
def test_lite0_is_timms(side):
    """timm's tf_efficientnet_lite0 registers the same tensors in the same order, under other names."""
    ours, theirs = settled(EfficientNetLite0(3)), timm.create_model("tf_efficientnet_lite0").eval()
    own = list(ours.state_dict().values())
    theirs.load_state_dict(theirs.state_dict() | dict(zip(list(theirs.state_dict())[: len(own)], own, strict=True)))
    image = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(side))
    with torch.no_grad():
        assert torch.allclose(ours(image)[-1], theirs.blocks(theirs.bn1(theirs.conv_stem(image))), atol=1e-4)


def test_resnet50_is_timms(squares):
    ours, theirs = settled(ResNet50()), timm.create_model("resnet50", in_chans=4, num_classes=2).eval()
    theirs.load_state_dict(ours.state_dict())
    with torch.no_grad():
        assert torch.allclose(ours(squares[:1]), theirs(squares[:1]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("network", [RegionNetwork, ResNet50])
def test_squares_become_two_logits(network, squares):
    with torch.no_grad():
        assert network().eval()(squares).shape == (2, 2)


def test_the_small_network_looks_at_half_size(squares):
    network = RegionNetwork().eval()
    blocks = squares.unfold(2, 2, 2).unfold(3, 2, 2).mean((-1, -2)).repeat_interleave(2, 2).repeat_interleave(2, 3)
    with torch.no_grad():
        assert torch.allclose(network(squares), network(blocks), atol=1e-5)


def test_a_mirrored_picture_scores_the_same(squares):
    network = settled(RegionNetwork())
    with torch.no_grad():
        assert not torch.allclose(network.classify(squares), network.classify(squares.flip(-1)))
        assert torch.equal(network(squares), network(squares.flip(-1)))


def test_region_means():
    values = torch.arange(16.0).reshape(1, 1, 4, 4)
    mask = torch.zeros(1, 1, 8, 8)
    mask[..., :4, :] = 1
    assert region_means(values, mask).tolist() == [[3.5, 11.5]]
    assert region_means(values, torch.ones(1, 1, 8, 8)).tolist() == [[7.5, 0.0]]


@pytest.mark.parametrize(("side", "kernel", "stride", "out"), [(7, 3, 2, 4), (8, 3, 2, 4), (8, 5, 1, 8), (9, 5, 2, 5)])
def test_same_padding_keeps_the_side_over_the_stride(side, kernel, stride, out):
    assert SameConv2d(1, 1, kernel, stride)(torch.zeros(1, 1, side, side)).shape[-2:] == (out, out)


def test_pretrained_maps_are_those_of_the_rgb_network(squares):
    """Whatever the mask, before the first training step."""
    rgb = settled(EfficientNetLite0(3))
    network = with_pretrained(RegionNetwork(), published(rgb.state_dict())).eval()
    with torch.no_grad():
        ours, theirs = network.body(squares), rgb(squares[:, :3])
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(ours, theirs, strict=True))


def test_other_weights_are_refused_as_initial_backbone():
    with pytest.raises(ValueError, match=r"initial backbone has \d+ tensors, first conv1.weight; expected those of an"):
        with_pretrained(RegionNetwork(), ResNet50().state_dict())
