"""The one place where an error learns which node and which input it is about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from ..core.errors import InputError, PassError, ServiceError

# What the engine raises when the user can mend it. Everything else is the host's affair, out of memory first of all.
EXPECTED = (ValueError, TypeError, FileNotFoundError, ModuleNotFoundError, ServiceError)
MODEL = {"unet": "model", "denoise": "model"}  # names that the engine has for what every node calls model


@contextmanager
def errors_name(node: str, **inputs: str) -> Iterator[None]:
    """Adds the node's name to an error of the engine, and the input's where the engine names a parameter.

    Args:
        node: the node's id.
        inputs: the node's input for each parameter of the engine that goes by another name there.
    """
    inputs = MODEL | inputs
    try:
        yield
    except InputError as error:
        raise ValueError(f"{node}, {_of_input(error, inputs)}") from error
    except PassError as error:
        problem = _of_input(error.problem, inputs) if isinstance(error.problem, InputError) else error.problem
        raise PassError(f"{node}, {error.place}", problem, error.saved) from error
    except EXPECTED as error:
        kind = next(kind for kind in EXPECTED if isinstance(error, kind))  # a subclass may want other arguments
        raise kind(f"{node}: {error}") from error


def _of_input(error: InputError, inputs: Mapping[str, str]) -> str:
    return f"input {inputs.get(error.parameter, error.parameter)}: {error.message}"
