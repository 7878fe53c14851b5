"""What commands say: words for people, JSON for programs, and the exit code for both.

Exit codes: 0, all is done. 1, it could not be done. 2, the command was called wrongly. 3, it was done for some of
several pictures. 130, interrupted.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

FAILED, PARTLY, INTERRUPTED = 1, 3, 130
EXPECTED = (ValueError, OSError, RuntimeError, ModuleNotFoundError)  # what the pack raises when the user can mend it

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of words.")]
ThreadsOption = Annotated[
    int, typer.Option(min=1, help="Processor threads. More can change the last bits of a result.")
]


class Output:
    """Where a command tells what it did: standard output. Progress and errors go to standard error."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self.aside = Console(stderr=True, highlight=False)

    def tell(self, words: str, **facts: Any) -> None:
        """The result: its words, or its facts as JSON."""
        typer.echo(json.dumps(facts) if self.as_json else words)

    def progress(self) -> Progress:
        """A bar for a known number of things; nothing is drawn where nobody looks."""
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
        return Progress(*columns, TimeRemainingColumn(), console=self.aside, disable=not self.aside.is_terminal)

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Tells an error in one line, and ends the program with its exit code."""
        logging.basicConfig(level=logging.WARNING, format="%(message)s")
        try:
            yield
        except KeyboardInterrupt:
            self.aside.print("Interrupted.")
            raise typer.Exit(INTERRUPTED) from None
        except EXPECTED as error:
            if self.as_json:
                typer.echo(json.dumps({"error": str(error)}))
            self.aside.print(f"[red]Error:[/red] {error}", markup=True, soft_wrap=True)
            raise typer.Exit(FAILED) from None


def in_a_line(error: Exception) -> str:
    """What a report says of an error."""
    kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
    return " ".join(f"{kind}{error}".split()) or type(error).__name__
