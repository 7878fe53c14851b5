import asyncio
import threading
import time

import pytest

from diff_harmonization.description.gemini.waiting import await_in_thread, sleep


class Cancelled(BaseException):
    pass


def never():
    pass


async def after(seconds, value):
    await asyncio.sleep(seconds)
    return value


def test_gives_the_result_from_another_thread():
    async def where():
        return threading.current_thread()

    assert await_in_thread(after(0.05, 7), never, 5) == 7
    assert await_in_thread(where(), never, 5) is not threading.current_thread()


def test_works_inside_a_running_loop():
    async def node():
        return await_in_thread(after(0.01, "done"), never, 5)

    assert asyncio.run(node()) == "done"


def test_raises_what_the_work_raises():
    async def fail():
        raise KeyError("here")

    with pytest.raises(KeyError, match="here"):
        await_in_thread(fail(), never, 5)


@pytest.mark.parametrize("way", ["cancel", "timeout"])
def test_leaving_early_cancels_the_work(way):
    cleaned = threading.Event()

    async def work():
        try:
            await asyncio.sleep(30)
        finally:
            cleaned.set()

    def check():
        if way == "cancel" and time.monotonic() > start + 0.3:
            raise Cancelled

    start = time.monotonic()
    with pytest.raises(Cancelled if way == "cancel" else TimeoutError):
        await_in_thread(work(), check, 0.5 if way == "timeout" else 30)
    assert time.monotonic() - start < 1
    assert cleaned.wait(2)


def test_work_that_is_deaf_does_not_hold_up_the_user():
    async def deaf():
        time.sleep(1.5)

    def check():
        raise Cancelled

    start = time.monotonic()
    with pytest.raises(Cancelled):
        await_in_thread(deaf(), check, 30)
    assert time.monotonic() - start < 1


def test_a_name_look_up_that_hangs_does_not_hold_up_the_user():
    async def hanging():
        await asyncio.get_running_loop().run_in_executor(None, time.sleep, 1.5)

    start = time.monotonic()
    with pytest.raises(TimeoutError):
        await_in_thread(hanging(), never, 0.2)
    assert time.monotonic() - start < 1


def test_no_thread_stays():
    before = threading.active_count()
    for _ in range(3):
        await_in_thread(after(0, None), never, 5)
    time.sleep(0.2)
    assert threading.active_count() <= before


def test_sleep():
    start = time.monotonic()
    sleep(0.25, never)
    assert 0.25 <= time.monotonic() - start < 1
    calls = []
    with pytest.raises(Cancelled):
        sleep(30, lambda: calls.append(1) if len(calls) < 2 else (_ for _ in ()).throw(Cancelled))
    assert time.monotonic() - start < 2
