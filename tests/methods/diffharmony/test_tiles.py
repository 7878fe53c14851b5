import pytest
import torch
from harmony_vaes import lively_network

from diff_harmonization.methods.diffharmony.tiles import Moments, decode_in_tiles

LEVEL = 1 / 255  # of a picture in 0-1; the network's own range is twice as wide


@pytest.fixture(scope="module")
def network():
    return lively_network().eval().requires_grad_(False)


def inputs(height, width):
    generator = torch.Generator().manual_seed(0)
    mask = torch.zeros(1, 1, 8 * height, 8 * width)
    mask[..., 16 : 4 * height, 24 : 6 * width] = 1
    latent = torch.randn(1, 4, height, width, generator=generator)
    return latent, torch.rand(1, 3, 8 * height, 8 * width, generator=generator) * 2 - 1, mask


def test_tiles_give_what_the_whole_gives(network):
    """The sample is as large as the picture, so that only tiles and halo differ."""
    values = inputs(20, 28)
    whole = network(*values)
    out = decode_in_tiles(network, *values, tile=8, halo=12, sample=28)
    assert out.shape == whole.shape == (1, 3, 160, 224)
    assert (out - whole).abs().max() / 2 < LEVEL


def test_it_does_not_matter_where_the_seams_are(network):
    """The picture is larger than the sample, as it is where the memory does not suffice."""
    values = inputs(24, 40)
    first, second = (decode_in_tiles(network, *values, tile=tile, halo=12, sample=16) for tile in (8, 11))
    assert (first - second).abs().max() / 2 < LEVEL


def test_without_a_halo_seams_show(network):
    values = inputs(24, 40)
    first, second = (decode_in_tiles(network, *values, tile=tile, halo=0, sample=16) for tile in (8, 11))
    assert (first - second).abs().max() / 2 > LEVEL


def test_a_sample_stands_for_the_whole(network):
    """The worst case, noise in a network of random weights, with the statistics of two fifths of the picture."""
    values = inputs(40, 64)
    whole, out = network(*values), decode_in_tiles(network, *values, tile=24, sample=32)
    assert (out - whole).abs().mean() < 0.25 * whole.std()


def test_measured_moments_are_those_of_the_whole(network):
    values = inputs(6, 6)
    moments = Moments([module for module in network.modules() if isinstance(module, torch.nn.GroupNorm)])
    with moments.measured():
        whole = network(*values)
    with moments.frozen():
        torch.testing.assert_close(network(*values), whole, rtol=1e-4, atol=1e-4)
    assert torch.equal(network(*values), whole)  # and nothing stays


def test_progress_ends_at_its_total(network):
    seen = []
    decode_in_tiles(network, *inputs(6, 10), tile=5, halo=2, report=lambda done, total: seen.append((done, total)))
    assert seen == [(number, 8) for number in range(1, 9)]
