"""Fit a 3D LUT that explains an edit (paper app. E)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.errors import InputError
from .lut import ColorLUT, corner_weights, grid_colors, locate
from .solve import grid_solver, kron3

GRID = 17  # side of the grid the residual is solved on; edits are smooth, so the LUT's own side needs no more
GAMUT_ROUNDS = 2
GAMUT_WEIGHT = 1.0  # of out-of-range nodes, on the scale of the identity weight


def fit_lut(
    before: Tensor,
    after: Tensor,
    mask: Tensor | None = None,
    size: int = 33,
    smoothness: float = 1e-4,
    slope_weight: float = 1e-3,
    identity_weight: float = 1e-3,
    title: str = "harmonization",
) -> ColorLUT:
    """The smooth LUT that takes the colors of `before` to those of `after` (paper app. E).

    With r the LUT's residual from identity and (x, y) the pairs, it minimizes

        mean_w |r(x) - (y - x)|^2 + smoothness ∫|D²r|² + slope_weight ∫|Dr|² + identity_weight ∫|r|²

    over the unit cube. Next to the data, r continues linearly. From a distance of about sqrt(smoothness / slope_weight)
    it stays level, and it fades to identity over about sqrt(slope_weight / identity_weight). The weights do not depend
    on the number of pairs or on the grid.

    Args:
        before: sRGB in 0-1, colors [N,3] or images [B,H,W,3].
        after: the same colors or images after the edit.
        mask: weights of at least 0, [N] or [B,H,W] ([1,H,W] serves every image); None weighs all alike.
        size: side of the LUT, 2 to 129.
        smoothness: weight of the curvature, above 0.
        slope_weight: weight of the slope, at least 0.
        identity_weight: weight of the change itself, above 0.
        title: of the LUT.

    Returns:
        A LUT with a float32 table on the CPU, values in 0-1. The same inputs give the same bits.

    Raises:
        InputError: for shapes that do not match, an empty mask, values that are not finite, or a number out of range.
    """
    _check_parameters(size, smoothness, slope_weight, identity_weight)
    source, target, weights = _pairs(before, after, mask)
    corner, fraction = locate(source, GRID)
    indices, values = corner_weights(corner, fraction, GRID)

    right = torch.zeros(GRID**3, 3, dtype=torch.float64)
    for k in range(8):
        right.index_add_(0, indices[:, k], (values[:, k] * weights)[:, None] * (target - source))
    penalty = _regularizer(smoothness, slope_weight, identity_weight)
    residual = _solve_in_gamut(_data_matrix(indices, values, weights) + penalty, right)

    cube = residual.reshape(1, GRID, GRID, GRID, 3).movedim(-1, 1)
    fine = F.interpolate(cube, size=(size, size, size), mode="trilinear", align_corners=True)[0].movedim(0, -1)
    return ColorLUT((grid_colors(size, torch.float64) + fine).clamp(0, 1).float(), title)


def _check_parameters(size: int, smoothness: float, slope_weight: float, identity_weight: float) -> None:
    if not 2 <= size <= 129:
        raise InputError("size", f"got {size}, expected 2 to 129 (33 is usual).")
    for name, value in (("smoothness", smoothness), ("identity_weight", identity_weight)):
        if not value > 0:
            raise InputError(name, f"got {value}, expected more than 0; otherwise cells without data are undefined.")
    if not slope_weight >= 0:
        raise InputError("slope_weight", f"got {slope_weight}, expected 0 or more.")


def _pairs(before: Tensor, after: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Float64 pairs [N,3], [N,3] and weights [N] that sum to 1."""
    if before.shape != after.shape:
        raise InputError(
            "after",
            f"got shape {tuple(after.shape)}, expected {tuple(before.shape)} like `before`: both must have one size. "
            f"Scale the original picture to the edit's size.",
        )
    if before.ndim not in (2, 4) or before.shape[-1] != 3:
        raise InputError(
            "before",
            f"got shape {tuple(before.shape)}, expected RGB images [B,H,W,3] or colors [N,3]. Remove an alpha channel.",
        )
    lead = before.shape[:-1]
    if mask is None:
        mask = torch.ones(lead)
    if mask.ndim == 3 and len(lead) == 3 and mask.shape[0] == 1:
        mask = mask.expand(lead[0], -1, -1)
    if mask.shape != lead:
        raise InputError("mask", f"got shape {tuple(mask.shape)}, expected {tuple(lead)} like the images.")
    weights = mask.detach().to("cpu", torch.float64).reshape(-1)
    chosen = weights > 0
    if not chosen.any():
        raise InputError("mask", "no weight is above 0; it must be above 0 on the object.")
    weights = weights[chosen]
    source, target = (x.detach().to("cpu", torch.float64).reshape(-1, 3)[chosen] for x in (before, after))
    for name, values in (("before", source), ("after", target), ("mask", weights)):
        if not values.isfinite().all():
            raise InputError(name, "got NaN or infinite values.")
    return source.clamp(0, 1), target.clamp(0, 1), weights / weights.sum()


@torch.sparse.check_sparse_tensor_invariants(enable=False)
def _data_matrix(indices: Tensor, values: Tensor, weights: Tensor) -> Tensor:
    """The data term's normal matrix, sparse [G³,G³]. Pairs meet in cells, 64 products each."""
    cell, inverse = indices[:, 0].unique(return_inverse=True)
    products = torch.empty(len(cell), 8, 8, dtype=torch.float64)
    for i in range(8):
        for j in range(i, 8):
            total = torch.bincount(inverse, values[:, i] * values[:, j] * weights, minlength=len(cell))
            products[:, i, j] = products[:, j, i] = total
    corners = cell[:, None] + (indices[0] - indices[0, 0])
    rows = corners[:, :, None].expand(-1, 8, 8).reshape(-1)
    columns = corners[:, None, :].expand(-1, 8, 8).reshape(-1)
    entries = torch.stack((rows, columns))
    return torch.sparse_coo_tensor(entries, products.reshape(-1), (GRID**3, GRID**3))


def _regularizer(smoothness: float, slope_weight: float, identity_weight: float) -> Tensor:
    """The penalties' matrix, sparse [G³,G³]: integrals over the cube as sums of finite differences."""
    step = 1 / (GRID - 1)
    eye = torch.eye(GRID, dtype=torch.float64)
    first = (eye[1:] - eye[:-1]) / step
    second = (eye[2:] - 2 * eye[1:-1] + eye[:-2]) / step**2
    stay, slope, bend = eye, first.T @ first, second.T @ second

    total = kron3([stay] * 3, identity_weight * step**3)
    for axis in range(3):
        total = total + kron3([bend if a == axis else stay for a in range(3)], smoothness * step**3)
        # |D²r|² holds each mixed derivative twice
        total = total + kron3([stay if a == axis else slope for a in range(3)], 2 * smoothness * step**3)
        if slope_weight:
            total = total + kron3([slope if a == axis else stay for a in range(3)], slope_weight * step**3)
    return total


def _solve_in_gamut(matrix: Tensor, right: Tensor) -> Tensor:
    """The residual [G³,3], its nodes drawn back softly to where the output stays in 0-1.

    Without this an edit that darkens would push unseen shadows below black and clip them all.
    """
    colors = grid_colors(GRID, torch.float64).reshape(-1, 3)
    solve = grid_solver(matrix, GRID)
    residual = solve(right, torch.zeros_like(right), 0.0)
    for _ in range(GAMUT_ROUNDS):
        limit = (colors + residual).clamp(0, 1) - colors
        weight = GAMUT_WEIGHT / GRID**3 * (limit != residual)
        residual = solve(right + weight * limit, residual, weight)
    return residual
