"""Iridas / Adobe .cube files, through colour-science."""

from __future__ import annotations

from pathlib import Path

from ..core.errors import InputError
from ..core.files import replacing
from .lut import ColorLUT


def save_cube(lut: ColorLUT, path: str | Path, decimals: int = 7) -> Path:
    """Write a LUT as a 3D .cube file over the sRGB domain 0-1, whole or not at all. Red runs fastest.

    Args:
        lut: the LUT; its regions are left out.
        path: the file, which ends in .cube.
        decimals: digits after the point.

    Returns:
        The path.

    Raises:
        InputError: for another suffix.
        FileNotFoundError: for a folder that does not exist.
    """
    from colour import LUT3D
    from colour.io import write_LUT_IridasCube

    path = Path(path)
    if path.suffix.lower() != ".cube":
        raise InputError("path", f"got '{path.name}', expected a file name that ends in .cube.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"The folder {path.parent} does not exist. Choose another place.")
    title = " ".join(lut.title.replace('"', "'").split())
    with replacing(path) as begun:
        write_LUT_IridasCube(LUT3D(lut.table.detach().cpu().double().numpy(), title), str(begun), decimals)
    return path


def save_cubes(lut: ColorLUT, path: str | Path, decimals: int = 7) -> list[Path]:
    """Write a LUT and those of its regions: NAME.cube, NAME_region1.cube, NAME_region2.cube ...

    Args:
        lut: the LUT of the whole, with its regions.
        path: the file for the whole, which ends in .cube.
        decimals: digits after the point.

    Returns:
        The paths, the whole's first.

    Raises:
        InputError, FileNotFoundError: as `save_cube`.
    """
    path = Path(path)
    name = path.stem.rstrip("_")
    own = [path.with_stem(f"{name}_region{number}") for number in range(1, len(lut.regions) + 1)]
    return [save_cube(each, place, decimals) for each, place in zip((lut, *lut.regions), (path, *own), strict=True)]
