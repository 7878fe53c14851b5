import pytest
import torch

from diff_harmonization.methods.zero_shot.structure.sobel import sobel_edges


def test_a_ramp_has_the_magnitude_of_its_slope():
    y, x = torch.meshgrid(torch.arange(9.0), torch.arange(7.0), indexing="ij")
    edges = sobel_edges((0.03 * x + 0.04 * y)[None, None])
    assert edges.shape == (1, 1, 9, 7)
    torch.testing.assert_close(edges[..., 1:-1, 1:-1], torch.full((1, 1, 7, 5), 0.05), rtol=1e-3, atol=1e-4)


def test_opposite_directions_do_not_cancel():
    """Falling along x as it rises along y: the signed sum that eq. 5 prints is 0 here."""
    y, x = torch.meshgrid(torch.arange(9.0), torch.arange(9.0), indexing="ij")
    assert sobel_edges((0.1 * y - 0.1 * x)[None, None])[0, 0, 4, 4] == pytest.approx(0.02**0.5, rel=1e-3)


def test_gradient_matches_finite_differences():
    image = torch.rand(2, 3, 6, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(sobel_edges, image)


def test_flat_pictures_have_a_finite_gradient():
    image = torch.full((1, 3, 8, 8), 0.5, requires_grad=True)
    (gradient,) = torch.autograd.grad(sobel_edges(image).sum(), image)
    assert gradient.isfinite().all()
