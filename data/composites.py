"""Real composites (NNN.jpg beside NNN_mask.png, index.csv), for which no truth exists.

index.csv has the columns id and object; further ones, such as the words of whoever made the set, are not read.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from .photos import Photo, read_image, read_index, read_mask


@dataclass(frozen=True)
class Pasted:
    """A composite in memory: all that a method may see of it."""

    id: str
    object: str
    composite: Tensor  # [H,W,3], sRGB in 0-1
    mask: Tensor  # [H,W], 0 or 1


@dataclass(frozen=True)
class Composite:
    """A composite as files."""

    id: str
    object: str
    folder: Path

    @property
    def files(self) -> tuple[Path, Path]:
        """The picture and its mask."""
        return self.folder / f"{self.id}.jpg", self.folder / f"{self.id}_mask.png"

    def image(self) -> Tensor:
        """sRGB [H,W,3] in 0-1."""
        return read_image(self.files[0])

    def mask(self) -> Tensor:
        """[H,W] in 0-1, as its file has it."""
        return read_mask(self.files[1])


def read_composites(folder: Path) -> list[Composite]:
    """The composites of a folder, in the order of its index.

    Raises:
        FileNotFoundError: when the index, a picture or a mask is missing.
        ValueError: when the index lacks a column.
    """
    rows = read_index(folder, ("id", "object"), "composites", "NNN.jpg and NNN_mask.png")
    composites = [Composite(row["id"], row["object"], folder) for row in rows]
    lost = [path.name for composite in composites for path in composite.files if not path.is_file()]
    if lost:
        raise FileNotFoundError(
            f"{folder / 'index.csv'} names composites whose files are not there: {', '.join(lost)}."
        )
    return composites


def load_pasted(source: Composite | Photo) -> Pasted:
    """The picture and the mask of a composite, or of a photo set's composite.

    Raises:
        ValueError: when their sizes differ, or the mask is empty or full.
    """
    composite, mask, name = source.image(), (source.mask() > 0.5).float(), f"Composite {source.id} in {source.folder}"
    if composite.shape[:2] != mask.shape:
        raise ValueError(
            f"{name}: picture and mask must have one size, got {tuple(composite.shape[:2])} and {tuple(mask.shape)} "
            "(height, width)."
        )
    require_object(mask, name)
    return Pasted(source.id, source.object, composite, mask)


def require_object(mask: Tensor, name: str) -> None:
    """Raise ValueError, which begins with `name`, for a mask [H,W] of 0 and 1 that has no object or nothing else."""
    if not 0 < mask.mean() < 1:
        raise ValueError(
            f"{name}: the mask is {'full' if mask.any() else 'empty'}; "
            "it must be white on the pasted object and black elsewhere."
        )
