"""Waiting for an answer from far away without becoming deaf to the user."""

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
    """Run a coroutine in an event loop and thread of its own and give its result.

    Args:
        work: what to await. It is cancelled, and its connections with it, when this function is left early.
        check: called at least every POLL seconds; raises to cancel.
        timeout: seconds, for all of it.

    Raises:
        TimeoutError: when it takes longer; else whatever `work` or `check` raises.
    """
    outcome: Future[T] = Future()
    loop = asyncio.new_event_loop()
    task = loop.create_task(work)

    # A daemon: nobody waits for its clean-up, which a name look-up can hold up for long.
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
