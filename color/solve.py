"""Sparse linear solves on a cubic grid."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable

import torch
from torch import Tensor

logger = logging.getLogger(__name__)

TOLERANCE = 1e-5  # of the residual's norm
MAX_ITERATIONS = 1000

Solver = Callable[[Tensor, Tensor, Tensor | float], Tensor]


@torch.sparse.check_sparse_tensor_invariants(enable=False)  # an explicit choice: torch warns without one
def kron3(factors: list[Tensor], scale: float = 1.0) -> Tensor:
    """scale · (A ⊗ B ⊗ C) of dense matrices as a sparse one."""
    result = factors[0].to_sparse().coalesce()
    for factor in factors[1:]:
        other = factor.to_sparse().coalesce()
        sides = torch.tensor(factor.shape)[:, None, None]
        indices = (result.indices()[:, :, None] * sides + other.indices()[:, None, :]).reshape(2, -1)
        values = (result.values()[:, None] * other.values()[None, :]).reshape(-1)
        shape = (result.shape[0] * other.shape[0], result.shape[1] * other.shape[1])
        result = torch.sparse_coo_tensor(indices, values, shape).coalesce()
    return result * scale


def grid_solver(matrix: Tensor, side: int) -> Solver:
    """A solver of (matrix + diag(extra)) · x = right for a positive definite sparse matrix [side³,side³], side odd.

    Conjugate gradients; the preconditioner adds an exact solve on the grid of half the resolution to the diagonal,
    which takes care of the smooth part that the diagonal alone would need hundreds of iterations for.
    Returns a function (right [side³,k], first guess [side³,k], extra [side³,k] >= 0 or 0) -> x [side³,k].
    """
    matrix = matrix.coalesce()
    rows, columns = matrix.indices()
    diagonal = matrix.values()[rows == columns][:, None]
    coarser = kron3([_halving(side)] * 3)
    finer = coarser.t().coalesce()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR")
        small = torch.sparse.mm(torch.sparse.mm(coarser, matrix), finer).to_dense()
        matrix, coarser, finer = (m.to_sparse_csr() for m in (matrix, coarser, finer))
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(small))

    def precondition(rest: Tensor, extra: Tensor | float) -> Tensor:
        return rest / (diagonal + extra) + finer @ (inverse @ (coarser @ rest))

    def solve(right: Tensor, guess: Tensor, extra: Tensor | float = 0.0) -> Tensor:
        return _conjugate_gradient(lambda x: matrix @ x + extra * x, lambda x: precondition(x, extra), right, guess)

    return solve


def _halving(side: int) -> Tensor:
    """[(side+1)/2, side]: each coarse node's share in the fine ones, by linear interpolation."""
    weights = torch.zeros((side + 1) // 2, side, dtype=torch.float64)
    for node in range(len(weights)):
        for offset, weight in ((-1, 0.5), (0, 1.0), (1, 0.5)):
            if 0 <= 2 * node + offset < side:
                weights[node, 2 * node + offset] = weight
    return weights


def _conjugate_gradient(
    apply: Callable[[Tensor], Tensor], precondition: Callable[[Tensor], Tensor], right: Tensor, guess: Tensor
) -> Tensor:
    """Each column of right on its own, all at once."""
    x = guess.clone()
    rest = right - apply(x)
    goal = (right * precondition(right)).sum(0) * TOLERANCE**2
    scaled = precondition(rest)
    direction = scaled.clone()
    energy = (rest * scaled).sum(0)
    for iteration in range(MAX_ITERATIONS):
        if bool((energy <= goal).all()):
            logger.debug("conjugate gradients: %d iterations", iteration)
            return x
        image = apply(direction)
        length = energy / (direction * image).sum(0).clamp_min(1e-300)
        x += length * direction
        rest -= length * image
        scaled = precondition(rest)
        following = (rest * scaled).sum(0)
        direction = scaled + (following / energy.clamp_min(1e-300)) * direction
        energy = following
    logger.warning("The LUT fit stopped after %d iterations short of its tolerance.", MAX_ITERATIONS)
    return x
