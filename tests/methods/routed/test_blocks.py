import pytest
import torch
from torch import nn
from torch.nn.functional import gelu, layer_norm, normalize

from diff_harmonization.methods.routed.blocks import (
    EXPANSION,
    ChannelNorm,
    GatedFeedForward,
    PlainBlock,
    RoutedAttention,
    RoutedBlock,
)

CHANNELS, HEADS = 6, 2


def seeded(module):
    """Every weight at random, so that no part can be left out unseen."""
    generator = torch.Generator().manual_seed(0)
    for parameter in module.parameters():
        parameter.data.copy_(torch.randn(parameter.shape, generator=generator))
    return module.requires_grad_(False)


@pytest.fixture
def x():
    return torch.randn(2, CHANNELS, 5, 4, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def importance():
    return torch.rand(2, 1, 5, 4, generator=torch.Generator().manual_seed(2))


@pytest.fixture
def attention():
    return seeded(RoutedAttention(CHANNELS, HEADS))


def attention_of(attention, x, importance):
    """Paper eq. 1-2, a head and a pair of channels after another: the matrices [B,heads,c,c] and the output."""
    q, k, v = attention.filter_qkv(attention.to_qkv(x)).split(CHANNELS, dim=1)
    k, v = k * importance, v * importance
    own = CHANNELS // HEADS
    matrices, mixed = torch.zeros(len(x), HEADS, own, own), torch.zeros_like(x)
    for row in range(len(x)):
        for head in range(HEADS):
            first = head * own
            for i in range(own):
                query = q[row, first + i].flatten()
                keys = [k[row, first + j].flatten() for j in range(own)]
                angles = torch.stack([(query @ key) / (query.norm() * key.norm()) for key in keys])
                matrices[row, head, i] = torch.softmax(attention.scale[head].squeeze() * angles, dim=0)
                for j in range(own):
                    mixed[row, first + i] += matrices[row, head, i, j] * v[row, first + j]
    return matrices, attention.project(mixed)


def test_attention_is_that_of_the_equations(attention, x, importance):
    matrices, expected = attention_of(attention, x, importance)
    assert torch.allclose(attention(x, importance), expected, rtol=1e-4, atol=1e-4)
    assert matrices.std() > 0.05  # else any mean of channels would do


def test_how_large_the_importance_is_does_not_change_the_attention(attention, x, importance):
    matrices, out = attention_of(attention, x, importance)
    weaker, smaller = attention_of(attention, x, 0.3 * importance)
    assert torch.allclose(matrices, weaker, atol=1e-5)
    assert torch.allclose(attention(x, 0.3 * importance), 0.3 * attention(x, importance), rtol=1e-4, atol=1e-4)
    assert torch.allclose(smaller, 0.3 * out, rtol=1e-4, atol=1e-4)


def test_where_the_importance_lies_changes_the_attention(attention, x, importance):
    matrices, _ = attention_of(attention, x, importance)
    elsewhere, _ = attention_of(attention, x, importance.flip(-1))
    assert (matrices - elsewhere).abs().max() > 1e-2


def test_full_importance_is_attention_without_routing(attention, x):
    """Restormer's attention of channels, in einsum."""
    q, k, v = attention.filter_qkv(attention.to_qkv(x)).chunk(3, dim=1)
    q, k, v = (values.reshape(2, HEADS, CHANNELS // HEADS, 20) for values in (q, k, v))
    weights = torch.einsum("bhcp,bhdp->bhcd", normalize(q, dim=-1), normalize(k, dim=-1)) * attention.scale
    mixed = torch.einsum("bhcd,bhdp->bhcp", weights.softmax(-1), v).reshape(x.shape)
    assert torch.allclose(attention(x, torch.ones(2, 1, 5, 4)), attention.project(mixed), rtol=1e-4, atol=1e-4)


def test_pixels_without_importance_get_nothing_from_attention(attention, x, importance):
    importance = importance * (importance > 0.5)
    out = attention(x, importance)
    nothing = (importance == 0).expand_as(out)
    assert nothing.any() and out[nothing].abs().max() == 0
    assert out[~nothing].abs().min() > 0


def test_no_importance_anywhere_is_no_attention_and_no_nan(attention, x):
    assert attention(x, torch.zeros(2, 1, 5, 4)).abs().max() == 0


def test_heads_do_not_hear_each_other(x, importance):
    """With each channel's own filters, the second head's values have no part in the first head's output."""
    attention = seeded(RoutedAttention(CHANNELS, HEADS))
    attention.project.weight.copy_(torch.eye(CHANNELS)[..., None, None])
    attention.to_qkv.weight.copy_(torch.eye(CHANNELS).repeat(3, 1)[..., None, None])
    own = CHANNELS // HEADS
    other = x.clone()
    other[:, own:] += 1
    first, second = attention(x, importance), attention(other, importance)
    assert torch.equal(first[:, :own], second[:, :own])
    assert not torch.allclose(first[:, own:], second[:, own:])


def test_the_norm_is_a_layer_norm_of_every_pixel(x):
    norm = seeded(ChannelNorm(CHANNELS))
    expected = layer_norm(x.movedim(1, -1), (CHANNELS,), norm.scale.flatten(), eps=1e-5).movedim(-1, 1)
    assert torch.allclose(norm(x), expected, atol=1e-5)


def test_one_path_opens_and_closes_the_other(x):
    forward = seeded(GatedFeedForward(CHANNELS))
    wide = forward.filter(forward.expand(x))
    assert wide.shape == (2, 2 * EXPANSION * CHANNELS, 5, 4)
    gate, values = wide[:, : EXPANSION * CHANNELS], wide[:, EXPANSION * CHANNELS :]
    out = forward(x)
    assert out.shape == x.shape
    assert torch.allclose(out, forward.project(gelu(gate) * values))
    closed = forward.filter.weight.clone()
    closed[: EXPANSION * CHANNELS] = 0
    forward.filter.weight.copy_(closed)
    assert forward(x).abs().max() == 0


def test_a_block_adds_to_what_came_in(x, importance):
    block = seeded(RoutedBlock(CHANNELS, HEADS))
    between = x + block.attention(block.before_attention(x), importance)
    assert torch.allclose(block(x, importance), between + block.feed_forward(block.before_forward(between)))
    for part in (block.attention, block.feed_forward):
        part.project.weight.zero_()
    assert torch.equal(block(x, importance), x)


def test_a_plain_block_does_not_look_at_the_importance(x, importance):
    block = seeded(PlainBlock(CHANNELS, HEADS))
    out = block(x, importance)
    assert torch.equal(out, block(x, torch.zeros_like(importance)))
    between = x + block.parts[0](block.norms[0](x))
    assert torch.allclose(out, between + block.parts[1](block.norms[1](between)))


def test_a_plain_block_sees_neighbors_only(x, importance):
    """Three by three, twice: what happens three pixels away changes nothing. The routed block sees everything."""
    changed = x.clone()
    changed[..., 0, 0] += 1
    for kind, seen in ((PlainBlock, False), (RoutedBlock, True)):
        block = seeded(kind(CHANNELS, HEADS))
        difference = (block(x, importance) - block(changed, importance))[..., 3:, 3:].abs().max()
        assert (difference > 0) == seen, kind


def test_convolutions_have_no_offset():
    for block in (RoutedBlock(CHANNELS, HEADS), PlainBlock(CHANNELS, HEADS)):
        assert all(part.bias is None for part in block.modules() if isinstance(part, nn.Conv2d))
