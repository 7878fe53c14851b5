"""Make a data set of real pictures: composites by an inverse model, of which a classifier picks the least harmonious.

`make_candidates` and `build_one` know one picture and nothing of the others, so that any engine may run them in any
order, anywhere. `collect` then writes the lists and the manifest.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from ..core.errors import InputError
from ..core.files import PART, write_whole
from .iharmony4 import COMPOSITES, MASKS, TRUTHS, Part, write_lists
from .photos import read_image, read_mask

CANDIDATES, ENTRIES, MANIFEST = "candidates", "entries", "manifest.json"
PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
QUALITY = 95  # of the JPEG files
TEST_SHARE = 0.1  # of the real pictures, about
SEEDS = 1 << 62  # how many first seeds there are

# image [1,H,W,3] in 0-1, mask [1,H,W], first seed, count -> composites [K,H,W,3] of the seeds first, first + 1, ...
Inverse = Callable[[Tensor, Tensor, int, int], Tensor]
# images [B,H,W,3], masks [B,H,W] -> how little each belongs, [B], higher is less
Classifier = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Source:
    """A real picture, one of its masks, and the composites to make of them."""

    picture: Path
    mask: Path
    number: int  # of the mask, from 1
    composites: int  # that are picked, each from candidates of its own

    @property
    def name(self) -> str:
        """Such as c1_2, as iHarmony4 names a picture's mask."""
        return f"{self.picture.stem}_{self.number}"


@dataclass(frozen=True)
class Candidates:
    """Composites of one picture and mask, and the one that belongs least."""

    images: Tensor  # [K,H,W,3]
    seeds: tuple[int, ...]
    scores: tuple[float, ...]  # higher belongs less
    picked: int  # row of the images


def make_candidates(
    image: Tensor, mask: Tensor, seed: int, count: int, inverse: Inverse, classifier: Classifier
) -> Candidates:
    """Composites of a real picture, from seeds of their own, and the pick.

    Args:
        image: [1,H,W,3], sRGB in 0-1.
        mask: [1,H,W], 1 on the object.
        seed: of the first; each further one has the next.
        count: of the candidates, at least 1.
        inverse: makes them.
        classifier: picks the one with the highest score.
    """
    images = inverse(image, mask, seed, count)
    scores = tuple(classifier(images, mask.expand(count, -1, -1)).tolist())
    return Candidates(images, tuple(range(seed, seed + count)), scores, max(range(count), key=scores.__getitem__))


def find_sources(images: Path, masks: Path, gamma: float) -> list[Source]:
    """The pictures of a folder with their masks: NAME.png, or NAME_1.png, NAME_2.png and so on.

    A picture gets ceil(gamma * masks / pictures) composites, as in the paper, in turns from its masks.

    Raises:
        InputError: when `gamma` is not above 0, or no picture has a mask.
    """
    if gamma <= 0:
        raise InputError("gamma", f"got {gamma}, expected more than 0: 1 makes as many composites as there are masks.")
    pictures = sorted(path for path in images.iterdir() if path.suffix.lower() in PICTURES)
    found = {path: _masks_of(path.stem, masks) for path in pictures}
    found = {path: own for path, own in found.items() if own}
    if not found:
        raise InputError(
            "masks",
            f"{masks} has no mask of a picture in {images}; expected NAME.png, or NAME_1.png, NAME_2.png and so on.",
        )
    each = math.ceil(gamma * sum(map(len, found.values())) / len(found))
    return [
        Source(picture, mask, row + 1, shares)
        for picture, own in found.items()
        for row, mask in enumerate(own)
        if (shares := len(range(row, each, len(own))))
    ]


def _masks_of(name: str, masks: Path) -> list[Path]:
    whole = masks / f"{name}.png"
    numbered = [path for path in masks.glob(f"{name}_*.png") if path.stem.removeprefix(f"{name}_").isdigit()]
    return [whole] if whole.is_file() else sorted(numbered, key=lambda path: int(path.stem.rsplit("_", 1)[1]))


def first_seed(source: Source, composite: int, seed: int) -> int:
    """Of a composite's candidates: from its name, so that neither order nor neighbors matter."""
    digest = hashlib.sha256(f"{seed}/{source.name}_{composite}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % SEEDS


def build_one(
    source: Source, out: Path, subset: str, seed: int, count: int, inverse: Inverse, classifier: Classifier
) -> None:
    """Write everything of one picture and mask; its entry last, so that what has an entry is complete.

    A picture whose entry is there, made with the same seed and count from the same files, is not made again.

    Args:
        source: the picture and its mask.
        out: folder of the data set.
        subset: name of the subset in it.
        seed: of the whole data set.
        count: candidates of each composite.
        inverse, classifier: see `make_candidates`.

    Raises:
        ValueError: when picture and mask differ in size.
    """
    made_of = {"seed": seed, "candidates": count, "picture": digest(source.picture), "mask": digest(source.mask)}
    made_of["composites"] = source.composites
    entry_file = out / ENTRIES / f"{source.name}.json"
    if entry_file.is_file() and json.loads(entry_file.read_text())["made_of"] == made_of:
        return
    image, mask = read_image(source.picture)[None], (read_mask(source.mask) > 0.5).float()[None]
    if image.shape[1:3] != mask.shape[1:]:
        raise ValueError(
            f"{source.picture.name} is {image.shape[2]}x{image.shape[1]} and its mask {source.mask.name} "
            f"{mask.shape[2]}x{mask.shape[1]}; expected one size."
        )
    folder = out / subset
    write_picture(image[0], folder / TRUTHS / f"{source.picture.stem}.jpg")
    write_picture(mask[0], folder / MASKS / f"{source.name}.png")
    composites = []
    for number in range(1, source.composites + 1):
        name = f"{source.name}_{number}"
        made = make_candidates(image, mask, first_seed(source, number, seed), count, inverse, classifier)
        files = [out / CANDIDATES / name / f"{own}.jpg" for own in made.seeds]
        for picture, file in zip(made.images, files, strict=True):
            write_picture(picture, file)
        picked = folder / COMPOSITES / f"{name}.jpg"
        write_picture(made.images[made.picked], picked)
        composites.append(
            {
                "name": picked.name,
                "sha256": digest(picked),
                "seed": made.seeds[made.picked],
                "candidates": [
                    {"seed": own, "score": round(score, 6), "sha256": digest(file)}
                    for own, score, file in zip(made.seeds, made.scores, files, strict=True)
                ],
            }
        )
    entry = {"name": source.name, "made_of": made_of, "composites": composites}
    entry_file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(entry_file, (json.dumps(entry, indent=1) + "\n").encode())


def collect(sources: Sequence[Source], out: Path, subset: str) -> dict[Part, list[str]]:
    """Write the lists, the manifest and the index of what was made, in the order of the sources.

    Which part a picture belongs to depends on its name alone, so that all its composites are in one part, and a data
    set that grows moves none.

    Returns:
        The names of the composites of each part.
    """
    entries = [json.loads((out / ENTRIES / f"{source.name}.json").read_text()) for source in sources]
    parts: dict[Part, list[str]] = {"train": [], "test": []}
    for source, entry in zip(sources, entries, strict=True):
        parts[part_of(source.picture.stem)] += [composite["name"] for composite in entry["composites"]]
    write_lists(out, subset, parts)
    manifest = {"subset": subset, "entries": entries}
    (out / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")
    return parts


def part_of(picture: str) -> Part:
    """The part of the data set that a real picture belongs to."""
    share = int.from_bytes(hashlib.sha256(picture.encode()).digest()[:8], "big") / 2**64
    return "test" if share < TEST_SHARE else "train"


def digest(path: Path) -> str:
    """sha256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_picture(picture: Tensor, path: Path) -> None:
    """[H,W,3] or [H,W] in 0-1 as a file. Processes may write the same one at the same time: masks share a picture."""
    pixels, buffer = (picture.clamp(0, 1) * 255).round().byte().cpu().numpy(), io.BytesIO()
    kind = "PNG" if path.suffix == ".png" else "JPEG"
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, kind, quality=QUALITY)
    write_whole(path, buffer.getvalue())


def clear_parts(out: Path) -> None:
    """Delete the files that a killed run had begun."""
    for begun in out.rglob(f".*{PART}"):
        begun.unlink()
