"""Waiting for an answer from far away, while the user can still cancel.

`anyio.from_thread.start_blocking_portal` would give a loop in a thread as well, but one must wait to leave it: its exit
asks the loop to stop, and joins a thread that is no daemon. A loop that does not react, or a name look-up that hangs in
the loop's pool of threads, would hold up the user's cancelling, the timeout and the host's shutdown for as long.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, wait
from contextlib import suppress
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")
POLL = 0.1  # seconds between two looks at whether the user has cancelled


def await_in_thread(work: Coroutine[Any, Any, T], check: Callable[[], None], timeout: float) -> T:
    """Run a coroutine in an event loop and a thread of its own.

    Args:
        work: what to await. When this function is left early, the coroutine is cancelled and closes its connections.
        check: called at least every POLL seconds; raises to cancel.
        timeout: seconds for the whole coroutine.

    Returns:
        The coroutine's result.

    Raises:
        TimeoutError: when the time is over. Everything that `work` or `check` raises comes through, too.
    """
    outcome: Future[T] = Future()
    loop = asyncio.new_event_loop()
    task = loop.create_task(work)

    # A daemon: nobody waits for its clean-up, and a name look-up can delay that for long.
    Thread(target=_serve, args=(loop, task, outcome), name="describe", daemon=True).start()
    end = time.monotonic() + timeout
    try:
        while not outcome.done():
            check()
            if time.monotonic() > end:
                raise TimeoutError
            wait([outcome], timeout=POLL)
        return outcome.result()
    finally:
        with suppress(RuntimeError):  # the loop is closed once the work is done
            loop.call_soon_threadsafe(task.cancel)


def _serve(loop: asyncio.AbstractEventLoop, task: asyncio.Task[T], outcome: Future[T]) -> None:
    try:
        outcome.set_result(loop.run_until_complete(task))
    except (Exception, asyncio.CancelledError) as error:  # handed to the waiting thread, which raises it
        outcome.set_exception(error)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def sleep(seconds: float, check: Callable[[], None]) -> None:
    """Sleep, calling `check` every POLL seconds; it raises to cancel."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        check()
        time.sleep(min(POLL, left))
