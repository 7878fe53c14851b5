"""The one place where an error learns which node and which input it is about, and where a warning reaches the node."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from comfy_api.latest import io, ui

from ..core.errors import InputError, PassError, ServiceError
from ..host.memory import ran_out, short_of_memory
from ..host.notes import collected

logger = logging.getLogger(__name__)

# What the engine raises when the user can mend it, besides too little memory. Everything else is the host's affair.
EXPECTED = (ValueError, TypeError, FileNotFoundError, ModuleNotFoundError)
MODEL = {"unet": "model", "denoise": "model"}  # names that the engine has for what every node calls model


@contextmanager
def errors_name(node: str, **inputs: str) -> Iterator[list[str]]:
    """Adds the node's name to an error of the engine, and the input's where the engine names a parameter.

    The host gets an error of one of Python's own classes: before the name of another it shows the pack's path. What the
    user can mend needs no traceback of the engine; the log has it at the level DEBUG.

    Args:
        node: the node's id.
        inputs: the node's input for each parameter of the engine that goes by another name there.

    Yields:
        What the engine has warned of so far, for `noted`.
    """
    inputs = MODEL | inputs
    with collected() as notes:
        try:
            yield notes
        except InputError as error:
            raise _told(ValueError(f"{node}, {_of_input(error, inputs)}"), error) from None
        except PassError as error:
            if isinstance(error.problem, Exception) and ran_out(error.problem):
                place, saved = f"{node}, {error.place}".removesuffix(", "), error.saved_files
                raise _told(short_of_memory(place, error.problem, saved), error) from None
            expected = isinstance(error.problem, (*EXPECTED, ServiceError, str))
            problem = _of_input(error.problem, inputs) if isinstance(error.problem, InputError) else error.problem
            named = RuntimeError(str(PassError(f"{node}, {error.place}", problem, error.saved)))
            raise _told(named, error) from (None if expected else error)
        except ServiceError as error:
            raise _told(RuntimeError(f"{node}: {error}"), error) from None
        except EXPECTED as error:
            kind = next(kind for kind in EXPECTED if isinstance(error, kind))  # a subclass may want other arguments
            raise kind(f"{node}: {error}") from error
        except Exception as error:
            if not ran_out(error):
                raise
            raise _told(short_of_memory(node, error), error) from None


def noted(notes: list[str], output: io.NodeOutput) -> io.NodeOutput:
    """A node's output that also shows the engine's warnings, below the node's own text.

    Args:
        notes: from `errors_name`.
        output: with or without a UI of its own.
    """
    if notes:
        own: Any = output.ui
        shown: dict[str, Any] = own.as_dict() if isinstance(own, ui.PreviewText) else own or {}
        output.ui = shown | {"text": [*shown.get("text", ()), *(f"Note: {note}" for note in notes)]}
    return output


def _told(error: Exception, cause: Exception) -> Exception:
    logger.debug("%s", error, exc_info=cause)
    return error


def _of_input(error: InputError, inputs: Mapping[str, str]) -> str:
    return f"input {inputs.get(error.parameter, error.parameter)}: {error.message}"
