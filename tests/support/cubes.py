"""Reading .cube files back."""

from pathlib import Path

import numpy as np
import torch
from colour import LUT3D
from colour.io import read_LUT_IridasCube

from diff_harmonization.color.lut import ColorLUT


def read_cube(path: Path) -> ColorLUT:
    """A 3D .cube file over the domain 0-1."""
    read = read_LUT_IridasCube(str(path))
    assert isinstance(read, LUT3D)
    assert np.allclose(read.domain, [[0, 0, 0], [1, 1, 1]])
    return ColorLUT(torch.from_numpy(np.ascontiguousarray(read.table)).float(), str(read.name))
