"""A folder anywhere: on this machine, or behind any fsspec address such as s3://bucket/folder."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import fsspec
from fsspec.implementations.local import LocalFileSystem

from ...core.files import part_name, write_whole

CHANGED = "ETag", "etag", "mtime", "LastModified", "last_modified", "updated", "created"  # by the kind of file system


@dataclass(frozen=True)
class Location:
    """A folder by its address. Names in it are relative, with slashes. An address travels to other machines."""

    url: str

    @classmethod
    def of(cls, address: str) -> Location:
        """The folder at an address that was typed. One on this machine gets its full path: workers stand elsewhere."""
        place = cls(address)
        return cls(place.path()) if place.local else place

    @cached_property
    def _place(self) -> tuple[fsspec.AbstractFileSystem, str]:
        return fsspec.url_to_fs(self.url)

    @property
    def local(self) -> bool:
        return isinstance(self._place[0], LocalFileSystem)

    def path(self, name: str = "") -> str:
        """A file's path in its file system."""
        return posixpath.join(self._place[1].rstrip("/") or "/", name) if name else self._place[1]

    def exists(self, name: str = "") -> bool:
        return self._place[0].exists(self.path(name))

    def names(self) -> dict[str, str]:
        """Every file in it, and what tells one state of the file from another: its size and when it changed."""
        files, root = self._place
        files.invalidate_cache()
        found = cast("dict[str, dict[str, Any]]", files.find(root, detail=True))
        # A link to a folder is no file; one to nothing is told when it is read.
        kept = {path: info for path, info in found.items() if info["type"] != "other" or not files.isdir(path)}
        return {posixpath.relpath(path, root): _stamp(info) for path, info in sorted(kept.items())}

    def read(self, name: str) -> bytes:
        """Raises OSError when there is no such file, or it cannot be read."""
        return cast("bytes", self._place[0].cat_file(self.path(name)))

    def write(self, name: str, data: bytes) -> None:
        """Write a file whole or not at all: under another name first, and renamed when all of it is stored."""
        files, path = self._place[0], self.path(name)
        if self.local:
            write_whole(Path(path), data)
            return
        folder, base = posixpath.split(path)
        files.makedirs(folder, exist_ok=True)
        part = posixpath.join(folder, part_name(base))
        files.pipe_file(part, data)
        files.mv(part, path)

    def delete(self, name: str) -> None:
        self._place[0].rm_file(self.path(name))


def _stamp(info: Mapping[str, Any]) -> str:
    changed = next((str(info[key]) for key in CHANGED if info.get(key)), "")
    return f"{info.get('size')} {changed}".strip()
