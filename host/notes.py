"""What is to be said on a node besides its results: the pack's warnings while it runs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

PACK = logging.getLogger(__name__.removesuffix(".host.notes"))  # above the loggers of all modules
_notes: ContextVar[list[str] | None] = ContextVar("notes", default=None)


class _Collector(logging.Handler):
    """Notes what the pack warns of in one thread."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self.thread:
            note(record.getMessage())


@contextmanager
def collected() -> Iterator[list[str]]:
    """Collects the pack's warnings and notes while it is open, each sentence once."""
    notes, collector = list[str](), _Collector()
    token = _notes.set(notes)
    PACK.addHandler(collector)
    try:
        yield notes
    finally:
        PACK.removeHandler(collector)
        _notes.reset(token)


def note(sentence: str) -> None:
    """Say a sentence on the node that runs. A warning of the log needs no note of its own."""
    notes = _notes.get()
    if notes is not None and sentence not in notes:
        notes.append(sentence)
