"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PART = ".part"  # the end of the name of a file that is not whole yet


def part_name(name: str) -> str:
    """What a file is called until it is whole; another process calls its own another name."""
    return f".{name}.{os.getpid()}{PART}"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name to write to; the file takes the place of `path` once it is complete, and is removed if it never is."""
    begun = path.with_name(part_name(path.name))
    try:
        yield begun
        begun.replace(path)
    except BaseException:
        begun.unlink(missing_ok=True)
        raise


def write_whole(path: Path, data: bytes) -> None:
    """Write a file, which takes its name when all of it is on the disk. Its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as begun, begun.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
