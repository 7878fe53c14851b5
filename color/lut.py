"""The 3D LUT and its interpolation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Interpolation = Literal["trilinear", "tetrahedral"]


@dataclass(frozen=True)
class ColorLUT:
    """A colour mapping from sRGB in 0-1 to sRGB in 0-1, sampled on a regular grid.

    `table[r, g, b]` is the output for the input (r, g, b) / (S - 1). Where a picture has regions that change each in
    their own way, `regions` holds a LUT for each, complete in itself, and the table is that of the whole.
    """

    table: Tensor  # [S, S, S, 3], indices in the order r, g, b
    title: str = "harmonization"
    regions: tuple[ColorLUT, ...] = ()

    def __post_init__(self) -> None:
        shape = tuple(self.table.shape)
        if len(shape) != 4 or shape[3] != 3 or len(set(shape[:3])) != 1 or shape[0] < 2:
            raise ValueError(
                f"ColorLUT needs a table [S,S,S,3] with S of at least 2, got {shape}. "
                "Only 3D LUTs with equal sides work; connect the output of Fit Color LUT or load a 3D .cube file."
            )
        if not self.table.is_floating_point():
            raise ValueError(f"ColorLUT needs floating point values in 0-1, got {self.table.dtype}.")

    @property
    def size(self) -> int:
        return self.table.shape[0]

    @staticmethod
    def identity(size: int = 33, title: str = "identity") -> ColorLUT:
        """The LUT that changes nothing."""
        return ColorLUT(grid_colors(size), title)

    def sample(self, colors: Tensor, interpolation: Interpolation = "trilinear") -> Tensor:
        """Colours [N,3] in 0-1 (clamped) through the LUT: [N,3] in the colours' device and dtype.

        Raises ValueError for an unknown interpolation.
        """
        if interpolation not in ("trilinear", "tetrahedral"):
            raise ValueError(
                f"interpolation is {interpolation!r}; choose 'trilinear' or 'tetrahedral' on Apply Color LUT."
            )
        table = self.table.to(colors.device, torch.float32)
        corner, fraction = locate(colors.float(), self.size)
        lookup = _trilinear if interpolation == "trilinear" else _tetrahedral
        return lookup(table.reshape(-1, 3), corner, fraction, self.size).to(colors.dtype)


def grid_colors(size: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """The grid's own colours [S,S,S,3], indices in the order r, g, b."""
    axis = torch.linspace(0, 1, size, dtype=dtype)
    return torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1)


def locate(colors: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The grid cell of colours [N,3]: flat index [N] of its darkest corner and the position in it, [N,3] in 0-1."""
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
