"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

PART = ".part"  # the end of the name of a file that is not whole yet


def part_name(name: str) -> str:
    """What a file is called until it is whole; another process calls its own another name."""
    return f".{name}.{os.getpid()}{PART}"


def write_whole(path: Path, data: bytes) -> None:
    """Write a file under another name first, and rename it when all of it is on the disk. Its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    begun = path.with_name(part_name(path.name))
    with begun.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    begun.replace(path)
