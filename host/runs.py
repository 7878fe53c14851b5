"""What one run of a workflow has said and spent. A run is one execution of a prompt by the host."""

from __future__ import annotations

from dataclasses import dataclass, field

from comfy_execution.utils import get_executing_context


@dataclass
class Run:
    prompt_id: str
    said: set[str] = field(default_factory=set)  # words that the log has named
    requests: int = 0  # sent to a service


_run = Run("")


def current_run() -> Run | None:
    """The run that calls this; None outside of the host's executor. The host executes one prompt at a time."""
    global _run
    context = get_executing_context()
    if context is None:
        return None
    if context.prompt_id != _run.prompt_id:
        _run = Run(context.prompt_id)
    return _run
