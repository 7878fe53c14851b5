import pytest
import torch

from diff_harmonization.color import ColorLUT
from diff_harmonization.color.lut import corner_weights, grid_colors, locate


def colors(count: int = 2000) -> torch.Tensor:
    edges = torch.tensor([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [0.0, 1.0, 0.5], [0.25, 0.25, 0.25]])
    return torch.cat((edges, torch.rand(count, 3, generator=torch.Generator().manual_seed(0))))


def random_lut(size: int = 5) -> ColorLUT:
    return ColorLUT(torch.rand(size, size, size, 3, generator=torch.Generator().manual_seed(1)))


@pytest.mark.parametrize("interpolation", ["trilinear", "tetrahedral"])
@pytest.mark.parametrize("size", [2, 9, 33])
def test_identity_changes_nothing(size, interpolation):
    x = colors()
    torch.testing.assert_close(ColorLUT(grid_colors(size)).sample(x, interpolation), x, atol=1e-6, rtol=0)


def test_both_interpolations_agree_on_a_linear_lut():
    matrix = torch.tensor([[0.5, 0.3, 0.1], [0.2, 0.6, 0.0], [0.0, 0.1, 0.8]])
    lut = ColorLUT(grid_colors(9) @ matrix.T + 0.05)
    x = colors()
    expected = x @ matrix.T + 0.05
    for interpolation in ("trilinear", "tetrahedral"):
        torch.testing.assert_close(lut.sample(x, interpolation), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("interpolation", ["trilinear", "tetrahedral"])
def test_nodes_are_returned_exactly(interpolation):
    lut = random_lut()
    nodes = grid_colors(5).reshape(-1, 3)
    torch.testing.assert_close(lut.sample(nodes, interpolation), lut.table.reshape(-1, 3), atol=1e-6, rtol=0)


def test_the_interpolations_differ_on_a_curved_lut():
    lut, x = random_lut(), colors()
    assert (lut.sample(x, "trilinear") - lut.sample(x, "tetrahedral")).abs().max() > 0.01


def test_trilinear_equals_its_sparse_rows():
    lut, x = random_lut(), colors()
    indices, weights = corner_weights(*locate(x, 5), 5)
    torch.testing.assert_close(weights.sum(1), torch.ones(len(x)))
    explicit = (lut.table.reshape(-1, 3)[indices] * weights[..., None]).sum(1)
    torch.testing.assert_close(lut.sample(x), explicit, atol=1e-6, rtol=0)


def test_indices_run_red_green_blue():
    table = torch.zeros(2, 2, 2, 3)
    table[1, 0, 0] = torch.tensor([0.1, 0.2, 0.3])
    torch.testing.assert_close(ColorLUT(table).sample(torch.tensor([[1.0, 0.0, 0.0]])), table[1, 0, 0][None])


@pytest.mark.parametrize("shape", [(3, 3, 3), (3, 3, 4, 3), (1, 1, 1, 3), (3, 3, 3, 4)])
def test_other_tables_are_refused(shape):
    with pytest.raises(ValueError, match="table"):
        ColorLUT(torch.zeros(shape))


def test_integer_tables_and_unknown_interpolations_are_refused():
    with pytest.raises(ValueError, match="floating point"):
        ColorLUT(torch.zeros(2, 2, 2, 3, dtype=torch.int64))
    with pytest.raises(ValueError, match="nearest"):
        random_lut().sample(colors(), "nearest")


def test_a_share_of_a_luts_change():
    generator = torch.Generator().manual_seed(0)
    region = ColorLUT(torch.rand(5, 5, 5, 3, generator=generator))
    lut = ColorLUT(torch.rand(5, 5, 5, 3, generator=generator), "warm", (region,))
    assert lut.scaled(0.3).title == "warm"
    for own, of in ((lut.scaled, lut), (lambda strength: lut.scaled(strength).regions[0], region)):
        assert torch.equal(own(1.0).table, of.table) and torch.equal(own(0.0).table, grid_colors(5))
        torch.testing.assert_close(own(0.5).table, (of.table + grid_colors(5)) / 2)
        beyond = own(3.0).table
        assert beyond.min() >= 0 and beyond.max() <= 1
        assert (beyond - grid_colors(5)).abs().mean() > (of.table - grid_colors(5)).abs().mean()
