"""The one place where an error learns which node and which input it is about."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..core.errors import InputError, PassError, ServiceError

# What the engine raises when the user can mend it. Everything else is the host's affair, out of memory first of all.
EXPECTED = (ValueError, TypeError, FileNotFoundError, ModuleNotFoundError, ServiceError)


@contextmanager
def errors_name(node: str, **inputs: str) -> Iterator[None]:
    """Adds the node's name to an error of the engine, and the input's where the engine names a parameter.

    Args:
        node: the node's id.
        inputs: the node's input for each parameter of the engine that goes by another name there.
    """
    try:
        yield
    except InputError as error:
        name = inputs.get(error.parameter, error.parameter)
        raise ValueError(f"{node}, input {name}: {error.message}") from error
    except PassError as error:
        raise PassError(f"{node}, {error}") from error
    except EXPECTED as error:
        kind = next(kind for kind in EXPECTED if isinstance(error, kind))  # a subclass may want other arguments
        raise kind(f"{node}: {error}") from error
