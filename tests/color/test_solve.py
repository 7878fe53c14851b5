import torch

from diff_harmonization.color import solve as module
from diff_harmonization.color.solve import grid_solver, kron3


def laplacian(side: int) -> torch.Tensor:
    eye = torch.eye(side, dtype=torch.float64)
    first = eye[1:] - eye[:-1]
    slope = first.T @ first
    total = kron3([eye] * 3, 1e-3)
    for axis in range(3):
        total = total + kron3([slope if a == axis else eye for a in range(3)])
    return total


def test_kron_equals_torch():
    a, b, c = (
        torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        for shape in ((2, 3), (3, 3), (2, 4))
    )
    torch.testing.assert_close(kron3([a, b, c], 2.0).to_dense(), 2 * torch.kron(torch.kron(a, b), c))


def test_the_solution_is_the_dense_one(monkeypatch):
    monkeypatch.setattr(module, "TOLERANCE", 1e-12)
    matrix = laplacian(5)
    generator = torch.Generator().manual_seed(0)
    right = torch.randn(125, 3, dtype=torch.float64, generator=generator)
    extra = torch.rand(125, 3, dtype=torch.float64, generator=generator)
    solve = grid_solver(matrix, 5)
    torch.testing.assert_close(solve(right, torch.zeros_like(right), 0.0), torch.linalg.solve(matrix.to_dense(), right))
    for column in range(3):
        dense = matrix.to_dense() + extra[:, column].diag()
        expected = torch.linalg.solve(dense, right[:, column])
        torch.testing.assert_close(solve(right, torch.ones_like(right), extra)[:, column], expected)


def test_the_coarse_grid_saves_iterations(monkeypatch):
    monkeypatch.setattr(module, "MAX_ITERATIONS", 40)
    matrix = laplacian(17)
    right = torch.zeros(17**3, 1, dtype=torch.float64)
    right[0] = 1
    x = grid_solver(matrix, 17)(right, torch.zeros_like(right), 0.0)
    assert (matrix @ x - right).norm() < 1e-3  # without the coarse grid it stays above 1e-2
