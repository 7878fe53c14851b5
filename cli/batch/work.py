"""The work on one picture: read, harmonize, write. The same here and on Ray."""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from torch import Tensor

from ...color.cube import save_cube
from ...color.lut import ColorLUT
from ...data.pictures import Picture, decode_mask, decode_picture, encode_picture
from ..methods import Settings, described, make_method
from ..picture import require_one_size
from .items import Item
from .location import Location
from .manifest import Record

RECEIPTS = ".receipts"


@dataclass(frozen=True)
class Job:
    """A batch: all that a worker has to know, on whatever machine."""

    source: Location
    output: Location
    settings: Settings
    cube: bool = False  # whether each result has its LUT beside it

    def mark(self) -> str:
        """See `Settings.mark`."""
        return f"{self.settings.mark()}{' cube' if self.cube else ''}"

    def receipt(self, item: Item) -> str:
        """The name of the file that says what came of a picture, until the manifest knows."""
        return f"{RECEIPTS}/{item.result}.json"


class Worker:
    """Loads the models once, then works on one picture after another."""

    def __init__(self, job: Job) -> None:
        self.job, self.mark = job, job.mark()
        self.method = make_method(job.settings)

    def __call__(self, item: Item) -> Record:
        """Harmonize a picture, unless a receipt says that its result is there already.

        The receipt comes before the result gets its name, so that a result never lies there without one: whenever the
        program ends, what is done is known, and is not done again.
        """
        if (known := self._known(item)) is not None:
            return known
        begun = time.monotonic()
        try:
            picture, mask, input_hash = self._read(item)
            done = self.method(picture.colors(), mask, described(item.caption, self.job.settings))
            data = encode_picture(picture.with_colors(done.image), PurePosixPath(item.result).suffix)
            if self.job.cube:
                self.job.output.write(f"{PurePosixPath(item.result).with_suffix('.cube')}", _cube(done.lut))
        except Exception as error:  # whatever is wrong with one picture must not stop the others
            return Record(item.name, "failed", seconds=round(time.monotonic() - begun, 4), error=_told(error))
        seconds = round(time.monotonic() - begun, 4)
        record = Record(item.name, "done", input_hash, _hash(data), done.before, done.after, seconds, done.told)
        receipt = {"record": asdict(record), "stamp": item.stamp, "caption": item.caption, "mark": self.mark}
        self.job.output.write(self.job.receipt(item), json.dumps(receipt).encode())
        self.job.output.write(item.result, data)
        return record

    def _known(self, item: Item) -> Record | None:
        """The record of a picture whose result is there, if it came from the same files and settings."""
        try:
            receipt = json.loads(self.job.output.read(self.job.receipt(item)))
            record = Record(**receipt["record"])
            if (receipt["stamp"], receipt["caption"], receipt["mark"]) != (item.stamp, item.caption, self.mark):
                return None
            return record if _hash(self.job.output.read(item.result)) == record.result_hash else None
        except FileNotFoundError:
            return None

    def _read(self, item: Item) -> tuple[Picture, Tensor, str]:
        """The picture, its mask [H,W], and the hash of both files."""
        if not item.mask:
            raise ValueError(f"it has no mask: expected masks/{PurePosixPath(item.name).stem}.png or NAME_mask.png")
        data = self.job.source.read(item.picture)
        picture = decode_picture(data)
        mask_data = self.job.source.read(item.mask)
        try:
            mask = decode_mask(mask_data)
        except ValueError as error:
            raise ValueError(f"its mask {item.mask}: {error}") from error
        require_one_size(picture, mask)
        return picture, mask, _hash(data + mask_data)


def _cube(lut: ColorLUT) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return save_cube(lut, Path(folder) / "lut.cube").read_bytes()


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _told(error: Exception) -> str:
    """One line."""
    kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
    return " ".join(f"{kind}{error}".split()) or type(error).__name__
