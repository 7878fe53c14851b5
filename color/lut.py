"""The 3D LUT and its interpolation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from ..core.errors import InputError

Interpolation = Literal["trilinear", "tetrahedral"]


@dataclass(frozen=True)
class ColorLUT:
    """A mapping of colors from sRGB in 0-1 to sRGB in 0-1, sampled on a regular grid.

    `table[r, g, b]` is the output for the input (r, g, b) / (S - 1). Where a picture has regions that change in their
    own way, `regions` holds one complete LUT for each, and the table is that of the whole.

    Raises:
        InputError: when the table has another shape, or no floating point values.
    """

    table: Tensor  # [S, S, S, 3], indices in the order r, g, b
    title: str = "harmonization"
    regions: tuple[ColorLUT, ...] = ()

    def __post_init__(self) -> None:
        shape = tuple(self.table.shape)
        if len(shape) != 4 or shape[3] != 3 or len(set(shape[:3])) != 1 or shape[0] < 2:
            raise InputError("table", f"got shape {shape}, expected [S,S,S,3] with S of at least 2: a 3D LUT.")
        if not self.table.is_floating_point():
            raise InputError("table", f"got {self.table.dtype}, expected floating point values in 0-1.")

    @property
    def size(self) -> int:
        return self.table.shape[0]

    def scaled(self, strength: float) -> ColorLUT:
        """The LUT that makes a share of the change.

        Args:
            strength: 0 changes nothing, 1 is the LUT itself, to the bit; more goes beyond, as far as 0-1 allows.
        """
        own = grid_colors(self.size).to(self.table)
        regions = tuple(region.scaled(strength) for region in self.regions)
        return replace(self, table=torch.lerp(own, self.table, strength).clamp(0, 1), regions=regions)

    def sample(self, colors: Tensor, interpolation: Interpolation = "trilinear") -> Tensor:
        """Send colors through the LUT.

        Args:
            colors: [N,3], sRGB; values outside 0-1 are clamped.
            interpolation: between grid points; "tetrahedral" is what color grading programs do.

        Returns:
            [N,3], with the device and dtype of `colors`.

        Raises:
            InputError: for an unknown interpolation.
        """
        require_interpolation(interpolation)
        table = self.table.to(colors.device, torch.float32)
        corner, fraction = locate(colors.float(), self.size)
        lookup = _trilinear if interpolation == "trilinear" else _tetrahedral
        return lookup(table.reshape(-1, 3), corner, fraction, self.size).to(colors.dtype)


def require_interpolation(interpolation: str) -> None:
    """Raises InputError for an interpolation that no LUT has."""
    if interpolation not in ("trilinear", "tetrahedral"):
        raise InputError("interpolation", f"got '{interpolation}', expected 'trilinear' or 'tetrahedral'.")


def grid_colors(size: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """The grid's own colors [S,S,S,3], indices in the order r, g, b: the table of the LUT that changes nothing."""
    axis = torch.linspace(0, 1, size, dtype=dtype)
    return torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1)


def locate(colors: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The grid cell of colors [N,3]: flat index [N] of its darkest corner, and the position in it, [N,3] in 0-1."""
    position = colors.clamp(0, 1) * (size - 1)
    cell = position.floor().clamp_(max=size - 2)
    fraction = position - cell
    stride = torch.tensor([size * size, size, 1], device=colors.device, dtype=torch.int64)
    red, green, blue = cell.long().unbind(-1)
    return red * stride[0] + green * stride[1] + blue, fraction


def corner_weights(corner: Tensor, fraction: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Trilinear interpolation as a sparse row: flat indices [N,8] and weights [N,8] that sum to 1."""
    indices, weights = [], []
    for bits in range(8):
        r, g, b = bits >> 2 & 1, bits >> 1 & 1, bits & 1
        indices.append(corner + (r * size * size + g * size + b))
        sides = [fraction[:, axis] if bit else 1 - fraction[:, axis] for axis, bit in enumerate((r, g, b))]
        weights.append(sides[0] * sides[1] * sides[2])
    return torch.stack(indices, 1), torch.stack(weights, 1)


def _trilinear(table: Tensor, corner: Tensor, fraction: Tensor, size: int) -> Tensor:
    red, green, blue = (fraction[:, axis : axis + 1] for axis in range(3))
    planes = []
    for r in (0, size * size):
        rows = []
        for g in (0, size):
            start = corner + (r + g)
            rows.append(torch.lerp(table[start], table[start + 1], blue))
        planes.append(torch.lerp(rows[0], rows[1], green))
    return torch.lerp(planes[0], planes[1], red)


def _tetrahedral(table: Tensor, corner: Tensor, fraction: Tensor, size: int) -> Tensor:
    """Walk from the dark corner to the bright one along the axes, largest fraction first."""
    ordered, axes = fraction.sort(dim=1, descending=True, stable=True)
    steps = torch.tensor([size * size, size, 1], device=corner.device)[axes]
    node = corner
    value = table[node]
    out = value
    for k in range(3):
        node = node + steps[:, k]
        following = table[node]
        out = torch.addcmul(out, ordered[:, k : k + 1], following - value)
        value = following
    return out
