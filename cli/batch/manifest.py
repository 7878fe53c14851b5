"""The manifest: what is known of every picture of a batch, in SQLite. A program that is killed loses none of it."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from .items import Item

State = Literal["waiting", "done", "failed"]
TABLE = """
CREATE TABLE IF NOT EXISTS pictures (
    name TEXT PRIMARY KEY, picture TEXT, mask TEXT, result TEXT, stamp TEXT, caption TEXT,  -- an Item
    settings TEXT, state TEXT DEFAULT 'waiting', place INTEGER,
    input_hash TEXT, result_hash TEXT, before REAL, after REAL, seconds REAL, told TEXT, error TEXT)
"""
FORGOTTEN = (
    "input_hash = NULL, result_hash = NULL, before = NULL, after = NULL, seconds = NULL, told = NULL, error = NULL"
)


@dataclass(frozen=True)
class Record:
    """What came of one picture."""

    name: str
    state: State  # "done" or "failed"
    input_hash: str = ""  # SHA-256 of the files of picture and mask
    result_hash: str = ""  # SHA-256 of the result's file
    before: float | None = None  # score of the composite
    after: float | None = None  # and of the result
    seconds: float = 0.0
    told: str = ""  # how it came about
    error: str = ""


class Manifest:
    """Opens a manifest, or begins one. A context manager.

    Raises:
        RuntimeError: when another run has it open.
        ValueError: when the file is something else.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._base = sqlite3.connect(path, timeout=1, isolation_level=None)
        self._base.row_factory = sqlite3.Row
        try:
            self._base.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._base.execute("PRAGMA journal_mode = WAL")
            self._base.execute("PRAGMA synchronous = FULL")  # a record is on the disk before its receipt goes
            self._base.execute(TABLE)
        except sqlite3.OperationalError as error:
            raise RuntimeError(f"{path}: another run is at work here ({error}). Wait for its end.") from error
        except sqlite3.DatabaseError as error:
            raise ValueError(f"{path} is no manifest: {error}. Give another one with --manifest.") from error

    def __enter__(self) -> Manifest:
        return self

    def __exit__(self, *error: Any) -> None:
        self._base.close()

    def take_up(self, items: Iterable[Item], settings: str, results: Collection[str], retry: bool = False) -> None:
        """Bring the manifest up to what is to be done now.

        New pictures wait. So do those whose files, caption or settings have changed, and those whose result is gone.
        Pictures that are not there any more are forgotten.

        Args:
            items: all pictures.
            settings: their mark, see `Settings.mark`.
            results: names of the files that exist among the results.
            retry: whether those that failed wait again.
        """
        with self._together():
            self._base.execute("CREATE TEMP TABLE present (name TEXT PRIMARY KEY)")
            for place, item in enumerate(items):
                self._base.execute("INSERT INTO present VALUES (?)", (item.name,))
                self._take(item, settings, place, item.result in results)
            self._base.execute("DELETE FROM pictures WHERE name NOT IN (SELECT name FROM present)")
            self._base.execute("DROP TABLE present")
            if retry:
                self._base.execute(f"UPDATE pictures SET state = 'waiting', {FORGOTTEN} WHERE state = 'failed'")

    def _take(self, item: Item, settings: str, place: int, has_result: bool) -> None:
        values = asdict(item) | {"settings": settings, "place": place}
        known = self._base.execute("SELECT * FROM pictures WHERE name = ?", (item.name,)).fetchone()
        if known is None:
            columns = ", ".join(values)
            marks = ", ".join(f":{column}" for column in values)
            self._base.execute(f"INSERT INTO pictures ({columns}) VALUES ({marks})", values)
            return
        same = all(known[column] == value for column, value in values.items() if column != "place")
        changes = ", ".join(f"{column} = :{column}" for column in values)
        if not same or (known["state"] == "done" and not has_result):
            changes += f", state = 'waiting', {FORGOTTEN}"
        self._base.execute(f"UPDATE pictures SET {changes} WHERE name = :name", values)

    def waiting(self) -> list[Item]:
        """What is to be done, in the order of the pictures' names."""
        columns = ", ".join(Item.__dataclass_fields__)
        rows = self._base.execute(f"SELECT {columns} FROM pictures WHERE state = 'waiting' ORDER BY place")
        return [Item(**row) for row in rows]

    def record(self, record: Record) -> None:
        """What came of a picture; on the disk when this returns."""
        values = asdict(record)
        changes = ", ".join(f"{column} = :{column}" for column in values if column != "name")
        self._base.execute(f"UPDATE pictures SET {changes} WHERE name = :name", values)

    def counts(self) -> Counter[str]:
        """State -> number of pictures."""
        return Counter(dict(self._base.execute("SELECT state, count(*) FROM pictures GROUP BY state").fetchall()))

    def rows(self, where: str = "1", order: str = "place", limit: int = -1) -> Iterator[sqlite3.Row]:
        """Pictures with all that is known of them.

        Args:
            where, order: SQL, written by the caller.
            limit: at most so many; -1 for all.
        """
        yield from self._base.execute(f"SELECT * FROM pictures WHERE {where} ORDER BY {order} LIMIT ?", (limit,))

    def total_seconds(self) -> float:
        """Of work on all pictures that are done."""
        (seconds,) = self._base.execute("SELECT total(seconds) FROM pictures WHERE state = 'done'").fetchone()
        return seconds

    def _together(self) -> sqlite3.Connection:
        """All of it or nothing."""
        self._base.execute("BEGIN")
        return self._base
