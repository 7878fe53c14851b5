"""3D LUTs: fit one to an edit, apply it at any resolution, keep it as a .cube file."""

from .apply import apply_lut
from .fit import fit_lut
from .lut import ColorLUT
from .regions import fit_regions

__all__ = ["ColorLUT", "apply_lut", "fit_lut", "fit_regions"]
