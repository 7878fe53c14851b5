"""The pictures of a folder with their masks and captions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from ...data.pictures import SUFFIXES, lossless_suffix

COMPOSITES = "composites", "composite", "composite_images", "images"  # the folders' names that are known
MASKS = "masks", "mask"
MASK_END = "_mask"


@dataclass(frozen=True)
class Item:
    """One picture to harmonize; its files' names are relative to their folders."""

    name: str  # of the picture's file, what people call it by
    picture: str
    mask: str  # empty where there is none
    result: str
    stamp: str  # tells whether the picture or the mask has changed since
    caption: str = ""


def find_items(names: Mapping[str, str], captions: Sequence[str] = (), suffix: str = "") -> list[Item]:
    """Pair pictures and masks, and give them their captions.

    Either the pictures lie in composites/ and the masks in masks/, each mask with its picture's name, with or without
    _mask behind it, or without the last number as in iHarmony4 (a0001_1_1.jpg and a0001_1.png). Or NAME.jpg lies beside
    NAME_mask.png.

    Args:
        names: of every file in the folder, with its stamp.
        captions: a line for each picture in the natural order of their names, or lines NAME<TAB>CAPTION for some.
        suffix: of the results; empty: PNG, and TIFF for TIFF.

    Raises:
        ValueError: when there is no picture, or the captions do not fit the pictures.
    """
    pictures = [name for name in names if PurePosixPath(name).suffix.lower() in SUFFIXES]
    tops = {name.split("/")[0] for name in pictures if "/" in name}
    own, others = (next((top for top in known if top in tops), None) for known in (COMPOSITES, MASKS))
    if own and others:
        masks = {_stem(name.partition("/")[2]): name for name in pictures if name.startswith(f"{others}/")}
        pictures = [name for name in pictures if name.startswith(f"{own}/")]
    else:
        own = None
        masks = {_stem(name): name for name in pictures if _stem(name).endswith(MASK_END)}
        pictures = [name for name in pictures if not _stem(name).endswith(MASK_END)]
    if not pictures:
        raise ValueError(
            "There is no picture: expected composites/NAME.jpg with masks/NAME.png, or NAME.jpg with NAME_mask.png."
        )
    pictures.sort(key=_natural)
    shorts = [name.partition("/")[2] if own else name for name in pictures]
    told = _captions(captions, shorts)
    alike = Counter(map(_stem, shorts))
    items = []
    for name, short in zip(pictures, shorts, strict=True):
        mask = _mask_of(_stem(short), masks)
        stamp = names[name] + (f", {names[mask]}" if mask else "")
        base = short if alike[_stem(short)] > 1 else _stem(short)
        items.append(Item(short, name, mask, base + (suffix or lossless_suffix(short)), stamp, told.get(short, "")))
    return items


def _mask_of(stem: str, masks: Mapping[str, str]) -> str:
    candidates = stem, stem + MASK_END, re.sub(r"_\d+$", "", stem)
    return next((masks[each] for each in candidates if each in masks), "")


def _captions(lines: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """Name -> caption."""
    lines = [line.strip("\r\n ") for line in lines if line.strip()]
    if not any("\t" in line for line in lines):
        if lines and len(lines) != len(names):
            raise ValueError(
                f"The captions have {len(lines)} lines for {len(names)} pictures: give a line for each picture in the "
                f"order of their names, or lines with a name, a tab and the caption."
            )
        return dict(zip(names, lines, strict=False))
    known = {alias: name for name in names for alias in (_stem(name), name)}
    found = {}
    for number, line in enumerate(lines, 1):
        name, _, caption = line.partition("\t")
        if name.strip() not in known:
            raise ValueError(f"Line {number} of the captions names '{name.strip()}', and there is no such picture.")
        found[known[name.strip()]] = caption.strip()
    return found


def _stem(name: str) -> str:
    """A file's name without its suffix, with its folders."""
    return str(PurePosixPath(name).with_suffix(""))


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Sorts 2 before 10."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part.lower()) for part in re.split(r"(\d+)", name) if part]
