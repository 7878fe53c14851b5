"""How the engine refuses a value: by the name of its own parameter. The nodes add who they are (nodes/errors.py)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


class InputError(ValueError):
    """A value that a function refuses.

    Args:
        parameter: the function's name for it, such as "mask".
        message: what came, what was expected and how to mend it; a sentence that does not need the name.

    >>> print(InputError("steps", "got 0, expected at least 1."))
    `steps`: got 0, expected at least 1.
    """

    def __init__(self, parameter: str, message: str) -> None:
        super().__init__(f"`{parameter}`: {message}")
        self.parameter, self.message = parameter, message


def excerpt(text: str, longest: int) -> str:
    """Somebody else's text as an error may repeat it: on one line, without signs that steer a terminal or turn a line
    around, and cut.

    Args:
        text: what came.
        longest: characters that are kept.

    >>> excerpt("a\\tcat\\x1b[31m", 200)
    'a cat\ufffd[31m'
    """
    text = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in " ".join(text.split()))
    return text if len(text) <= longest else f"{text[:longest]}..."


@contextmanager
def renamed(**parameters: str) -> Iterator[None]:
    """An InputError of a function that is called inside names this function's parameter.

    Args:
        parameters: this function's name for each name of the called one.
    """
    try:
        yield
    except InputError as error:
        raise InputError(parameters.get(error.parameter, error.parameter), error.message) from None


class ServiceError(RuntimeError):
    """A service on the network did not do what was asked. It says what the user can do about it."""


class PassError(RuntimeError):
    """An error in the middle of a loop.

    Args:
        place: where it happened, such as "pass 2".
        problem: the error, or what is to be said of it.
        saved: files of the finished passes.
    """

    def __init__(self, place: str, problem: Exception | str, saved: Sequence[Path] = ()) -> None:
        self.place, self.problem, self.saved = place, problem, tuple(saved)
        super().__init__(" ".join(filter(None, (f"{place}: {problem}", self.saved_files))))

    @property
    def saved_files(self) -> str:
        """A sentence that names the files; empty without any."""
        return f"Finished passes are saved: {', '.join(map(str, self.saved))}" if self.saved else ""
