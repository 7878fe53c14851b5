"""Sharing queries and keys is the replacement of attention maps."""

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from diff_harmonization.attention.control import AttentionLayer
from diff_harmonization.attention.sharing import ShareAttention

HEADS = 2
CROSS, SELF = (AttentionLayer(kind, "output", 0, HEADS) for kind in ("cross", "self"))


def split(x):
    return x.unflatten(-1, (HEADS, -1)).transpose(1, 2)


def attend(q, k, v):
    return scaled_dot_product_attention(split(q), split(k), split(v)).transpose(1, 2).flatten(2)


def explicit(q, k, v, rows):
    """Builds every row's attention maps, replaces them, then applies them to the rows' own values."""
    q, k, v = split(q), split(k), split(v)
    maps = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1)
    return (maps[rows] @ v).transpose(1, 2).flatten(2)


def projections(keys, rows=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [3 * torch.randn(rows, n, HEADS * 4, generator=generator) for n in (9, keys, keys)]


@pytest.mark.parametrize(("layer", "keys"), [(CROSS, 7), (SELF, 9)])
def test_equals_explicit_map_replacement(layer, keys):
    q, k, v = projections(keys)
    shared = ShareAttention([0, 1], [2, 3], cross=True, self_=True)(layer, q, k, v, attend)
    torch.testing.assert_close(shared, explicit(q, k, v, [0, 1, 0, 1]), rtol=0, atol=1e-5)
    assert (shared[2:] - attend(q, k, v)[2:]).abs().max() > 0.1


def test_keeps_the_source_and_other_rows():
    q, k, v = projections(7)
    shared = ShareAttention([1], [3], cross=True, self_=True)(CROSS, q, k, v, attend)
    torch.testing.assert_close(shared[:3], attend(q, k, v)[:3], rtol=0, atol=1e-6)


def test_leaves_its_inputs_alone():
    q, k, v = projections(7)
    before = [x.clone() for x in (q, k, v)]
    ShareAttention([0], [1], cross=True, self_=True)(CROSS, q, k, v, attend)
    assert all(torch.equal(x, y) for x, y in zip((q, k, v), before, strict=True))


@pytest.mark.parametrize(("cross", "self_"), [(True, False), (False, True), (False, False)])
def test_shares_the_chosen_kinds_only(cross, self_):
    q, k, v = projections(9)
    control, plain = ShareAttention([0, 1], [2, 3], cross=cross, self_=self_), attend(q, k, v)
    assert torch.equal(control(CROSS, q, k, v, attend), plain) is not cross
    assert torch.equal(control(SELF, q, k, v, attend), plain) is not self_


def test_refuses_rows_that_do_not_fit():
    with pytest.raises(ValueError, match="one source row for each target"):
        ShareAttention([0, 1], [2], cross=True, self_=True)
    with pytest.raises(ValueError, match="distinct target rows"):
        ShareAttention([0, 1], [1, 2], cross=True, self_=True)
    with pytest.raises(ValueError, match="batch of 2 rows"):
        ShareAttention([0], [2], cross=True, self_=True)(CROSS, *projections(7, rows=2), attend)
