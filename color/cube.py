"""Iridas / Adobe .cube files, through colour-science."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from .lut import ColorLUT


def save_cube(lut: ColorLUT, path: str | Path, decimals: int = 7) -> Path:
    """Write a LUT as a 3D .cube file over the sRGB domain 0-1 (red runs fastest); returns the path.

    Raises ValueError for another suffix and FileNotFoundError for a folder that does not exist.
    """
    from colour import LUT3D
    from colour.io import write_LUT_IridasCube

    path = _checked(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"The folder {path.parent} does not exist; choose another place on Save Color LUT.")
    title = " ".join(lut.title.replace('"', "'").split())
    write_LUT_IridasCube(LUT3D(lut.table.detach().cpu().double().numpy(), title), str(path), decimals)
    return path


def save_cubes(lut: ColorLUT, path: str | Path, decimals: int = 7) -> list[Path]:
    """Write a LUT and those of its regions, NAME.cube and NAME_region1.cube on; returns the paths, the whole's first.

    Raises as `save_cube`.
    """
    path = Path(path)
    name = path.stem.rstrip("_")
    own = [path.with_stem(f"{name}_region{number}") for number in range(1, len(lut.regions) + 1)]
    return [save_cube(each, place, decimals) for each, place in zip((lut, *lut.regions), (path, *own), strict=True)]


def load_cube(path: str | Path) -> ColorLUT:
    """Read a 3D .cube file over the domain 0-1.

    Raises FileNotFoundError when there is no such file, ValueError for a 1D LUT or another domain.
    """
    from colour import LUT3D
    from colour.io import read_LUT_IridasCube

    path = _checked(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no LUT at {path}.")
    read = read_LUT_IridasCube(str(path))
    if not isinstance(read, LUT3D):
        raise ValueError(f"{path.name} holds a {type(read).__name__}; only 3D LUTs (LUT_3D_SIZE) can be applied.")
    if not np.allclose(read.domain, [[0, 0, 0], [1, 1, 1]]):
        raise ValueError(f"{path.name} has the domain {read.domain.tolist()}; only 0 to 1 is supported.")
    return ColorLUT(torch.from_numpy(np.ascontiguousarray(read.table)).float(), str(read.name))


def _checked(path: str | Path) -> Path:
    path = Path(path)
    if path.suffix.lower() != ".cube":
        raise ValueError(f"{path.name!r} should end in .cube; fix the file name on Save Color LUT.")
    return path
