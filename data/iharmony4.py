"""iHarmony4's layout of composite-truth pairs, to read and to write.

SUBSET/composite_images/NAME_M_C.jpg    composite C of the picture NAME with its mask M
SUBSET/masks/NAME_M.png
SUBSET/real_images/NAME.jpg
SUBSET/SUBSET_test.txt                  names of composites, a line each; likewise _train
IHD_test.txt                            SUBSET/composite_images/NAME_M_C.jpg, a line each; likewise _train
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import Tensor
from torch.nn.functional import interpolate

from .composites import require_object
from .pairs import Pair
from .photos import read_image, read_mask

Part = Literal["train", "test"]
SUBSETS = ("HCOCO", "HAdobe5k", "HFlickr", "Hday2night")
COMPOSITES, MASKS, TRUTHS = "composite_images", "masks", "real_images"
SIDE = 256  # of the square at which the papers measure
OBJECT = "object"  # the data set names none


@dataclass(frozen=True)
class Sample:
    """A composite of a subset as files."""

    folder: Path  # of the subset
    name: str  # of the composite's file

    @property
    def subset(self) -> str:
        return self.folder.name

    @property
    def id(self) -> str:
        """Such as HCOCO/c1_2_1."""
        return f"{self.subset}/{Path(self.name).stem}"

    @property
    def files(self) -> tuple[Path, Path, Path]:
        """Composite, mask and truth.

        Raises:
            ValueError: when the name does not tell the mask and the composite.
        """
        parts = Path(self.name).stem.rsplit("_", 2)
        if len(parts) < 3:
            raise ValueError(f"{self.folder / COMPOSITES / self.name}: expected a name like NAME_MASK_COMPOSITE.jpg.")
        real, mask, _ = parts
        suffix = Path(self.name).suffix
        return (
            self.folder / COMPOSITES / self.name,
            self.folder / MASKS / f"{real}_{mask}.png",
            self.folder / TRUTHS / f"{real}{suffix}",
        )

    def pair(self, side: int | None = SIDE) -> Pair:
        """Composite, mask and truth in memory, each stretched to a square as in the papers.

        Args:
            side: of the square in pixels; None leaves their size.

        Raises:
            FileNotFoundError: when a file is missing.
            ValueError: when sizes differ and are not changed, or the mask is empty or full.
        """
        composite_file, mask_file, truth_file = self.files
        composite, truth, mask = read_image(composite_file), read_image(truth_file), read_mask(mask_file)
        if side is not None:
            composite, truth = (_stretched(image.movedim(-1, 0), side).movedim(0, -1) for image in (composite, truth))
            mask = interpolate(mask[None, None], (side, side), mode="nearest")[0, 0]
        mask = (mask > 0.5).float()
        if not composite.shape[:2] == truth.shape[:2] == mask.shape:
            raise ValueError(
                f"{self.id}: composite, truth and mask must have one size, got {tuple(composite.shape[:2])}, "
                f"{tuple(truth.shape[:2])} and {tuple(mask.shape)} (height, width)."
            )
        require_object(mask, self.id)
        return Pair(self.id, OBJECT, composite, mask, truth)


def read_samples(folder: Path, part: Part) -> list[Sample]:
    """The composites that the lists name: those of IHD_PART.txt, or else those of the subsets' own lists.

    Args:
        folder: the data set, or one subset of it.
        part: "train" or "test".

    Raises:
        FileNotFoundError: when there is no list.
    """
    whole = folder / f"IHD_{part}.txt"
    if whole.is_file():
        return [Sample(folder / Path(line).parts[0], Path(line).name) for line in _lines(whole)]
    lists = [path for each in (folder, *sorted(folder.glob("*/"))) for path in sorted(each.glob(f"*_{part}.txt"))]
    if not lists:
        raise FileNotFoundError(
            f"No iHarmony4 data set in {folder}: expected IHD_{part}.txt, or SUBSET/SUBSET_{part}.txt for each of "
            f"{', '.join(SUBSETS)}."
        )
    return [Sample(path.parent, Path(line).name) for path in lists for line in _lines(path)]


def write_lists(folder: Path, subset: str, parts: Mapping[Part, Sequence[str]]) -> None:
    """Write the lists of a data set of one subset.

    Args:
        folder: of the data set.
        subset: its only one.
        parts: names of composites.
    """
    for part, names in parts.items():
        (folder / subset / f"{subset}_{part}.txt").write_text("".join(f"{name}\n" for name in names))
        (folder / f"IHD_{part}.txt").write_text("".join(f"{subset}/{COMPOSITES}/{name}\n" for name in names))


def pairs(samples: Sequence[Sample], side: int | None = SIDE) -> Iterator[Pair]:
    """Each sample in memory, one at a time; see `Sample.pair`."""
    return (sample.pair(side) for sample in samples)


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if line.strip()]


def _stretched(planes: Tensor, side: int) -> Tensor:
    """[C,H,W] as a square, rounded to 8 bits as files have it."""
    square = interpolate(planes[None], (side, side), mode="bilinear", align_corners=False, antialias=True)[0]
    return (square.clamp(0, 1) * 255).round() / 255
