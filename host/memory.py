"""When the memory has run out, and how that is told."""

from __future__ import annotations

import comfy.model_management
import torch

SHORT = (
    "the memory ran out. Choose a smaller size or close other programs that use the memory; more under 'Out of memory' "
    "in docs/troubleshooting.md."
)


def ran_out(error: object) -> bool:
    """Whether an error says that there is no memory left, the device's or the machine's.

    torch tells the machine's by a RuntimeError, whose words differ from system to system but for the last ones.
    """
    if isinstance(error, RuntimeError) and "you tried to allocate" in str(error):
        return True
    return isinstance(error, MemoryError) or comfy.model_management.is_oom(error)


def short_of_memory(place: str, error: Exception, more: str = "") -> Exception:
    """The same in one sentence, of a kind by which the host knows whether to free the device.

    Args:
        place: where it happened, such as "Harmonize, pass 2".
        error: see `ran_out`.
        more: a sentence to add.
    """
    kind = torch.OutOfMemoryError if comfy.model_management.is_oom(error) else MemoryError
    return kind(" ".join(filter(None, (f"{place}: {SHORT}", more))))
