"""Where a node may write in the host's output folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import folder_paths

from ..core.errors import InputError

LONGEST_NAME = 200  # characters; most file systems take 255 bytes, and a number and an ending follow


def output_file(prefix: str, ending: str) -> tuple[Path, str]:
    """A new file in the output folder, and its folder there.

    Args:
        prefix: what the user calls it, perhaps with folders, such as "harmonize/lut".
        ending: such as ".cube".

    Raises:
        InputError: when the prefix is no name for a file inside the output folder, or its folder cannot be made.
    """
    parts = prefix.replace("\\", "/").split("/")
    name = parts[-1].strip()
    if not name or any(part.startswith(".") for part in parts) or not prefix.isprintable():
        raise InputError(
            "prefix",
            f"got {ascii(prefix[:60])}, expected a name inside the output folder, such as 'harmonize/lut'. No part of "
            f"it is empty or begins with a dot.",
        )
    if max(len(part.encode()) for part in parts) > LONGEST_NAME:
        raise InputError("prefix", f"it is longer than {LONGEST_NAME} bytes. Use a shorter name.")
    with errors_told():
        folder, name, counter, subfolder, _ = folder_paths.get_save_image_path(
            prefix, folder_paths.get_output_directory()
        )
    return Path(folder) / f"{name}_{counter:05}_{ending}", subfolder


@contextmanager
def errors_told() -> Iterator[None]:
    """What the system refuses to write becomes one sentence.

    Raises:
        InputError: for an OSError.
    """
    try:
        yield
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        raise InputError(
            "prefix",
            f"cannot write{where}: {error.strerror or error}. Check the output folder and the space on the disk.",
        ) from error
