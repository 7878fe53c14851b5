"""The work on one picture: read, harmonize, write. The same here and on Ray."""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath

from torch import Tensor

from ...color.cube import save_cube
from ...color.lut import ColorLUT
from ...data.output import in_a_line
from ...data.pictures import Picture, decode_mask, decode_picture, encode_picture
from ..methods import Settings, described, make_method
from ..picture import require_one_size
from .items import Item
from .location import Location
from .manifest import Record

RECEIPTS = ".receipts"
ATTEMPTS = 3  # a picture at which the program ended so often is given up


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


@dataclass(frozen=True)
class Receipt:
    """What is known of a picture until the manifest knows it: a small file beside the results."""

    stamp: str  # of the item
    caption: str
    mark: str  # of the job
    attempts: int = 0
    record: Record | None = None


class Worker:
    """Loads the models once, then works on one picture after another."""

    def __init__(self, job: Job) -> None:
        self.job, self.mark = job, job.mark()
        self.method = make_method(job.settings)

    def __call__(self, item: Item) -> Record:
        """Harmonize a picture, unless its receipt says that the result is there already.

        The receipt is written before the work, to count the attempts, and again before the result gets its name, so
        that a result never lies there without one. Whenever the program ends, what is done is known, and is not done
        again. Whoever takes the record deletes the receipt.
        """
        known = self._receipt(item)
        if known.record is not None and self._is_there(item, known.record):
            return known.record
        if known.attempts >= ATTEMPTS:
            error = f"The program ended {ATTEMPTS} times at this picture. Perhaps it needs more memory than there is."
            return Record(item.name, "failed", error=error)
        attempt = replace(known, attempts=known.attempts + 1, record=None)
        self._write(item, attempt)
        try:
            record, data = self._done(item)
        except KeyboardInterrupt:  # its user's wish is no failed attempt
            self._write(item, known)
            raise
        if data:
            self._write(item, replace(attempt, record=record))
            self.job.output.write(item.result, data)
        return record

    def _done(self, item: Item) -> tuple[Record, bytes]:
        """The record of a picture, and its result's file, empty where it failed."""
        begun = time.monotonic()
        try:
            picture, mask, input_hash = self._read(item)
            done = self.method(picture.colors(), mask, described(item.caption, self.job.settings))
            data = encode_picture(picture.with_colors(done.image), PurePosixPath(item.result).suffix)
            if self.job.cube:
                self.job.output.write(f"{PurePosixPath(item.result).with_suffix('.cube')}", _cube(done.lut))
        except Exception as error:  # whatever is wrong with one picture must not stop the others
            return Record(item.name, "failed", seconds=round(time.monotonic() - begun, 4), error=in_a_line(error)), b""
        seconds = round(time.monotonic() - begun, 4)
        return Record(item.name, "done", input_hash, _hash(data), done.before, done.after, seconds, done.told), data

    def _receipt(self, item: Item) -> Receipt:
        """What earlier attempts at the same files with the same settings left."""
        own = Receipt(item.stamp, item.caption, self.mark)
        try:
            told = json.loads(self.job.output.read(self.job.receipt(item)))
        except FileNotFoundError:
            return own
        kept = Receipt(**told | {"record": told["record"] and Record(**told["record"])})
        return kept if replace(kept, attempts=0, record=None) == own else own

    def _write(self, item: Item, receipt: Receipt) -> None:
        self.job.output.write(self.job.receipt(item), json.dumps(asdict(receipt)).encode())

    def _is_there(self, item: Item, record: Record) -> bool:
        """Whether a result lies there as its record says."""
        try:
            return _hash(self.job.output.read(item.result)) == record.result_hash
        except FileNotFoundError:
            return False

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
