import pytest
import timm
import torch
from settled import settled

from diff_harmonization.evaluator.networks import (
    SIDE,
    RegionNetwork,
    ResNet50,
    region_means,
)


@pytest.fixture
def squares():
    generator = torch.Generator().manual_seed(0)
    mask = (torch.rand(2, 1, 8, 8, generator=generator) < 0.4).float().repeat_interleave(32, 2).repeat_interleave(32, 3)
    return torch.cat((torch.rand(2, 3, SIDE, SIDE, generator=generator) * 2 - 1, mask), dim=1)


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
