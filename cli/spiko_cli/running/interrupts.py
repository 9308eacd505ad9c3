"""What Ctrl-C does to a run: the first ends it early, the second cancels it."""

from __future__ import annotations

import asyncio
import signal

from spiko_local.interrupts import INTERRUPTS


def stop_on_interrupt() -> asyncio.Event:
    """Return an event that the first interrupt sets; the second cancels the current task.

    Further ones are ignored: the task is cleaning up by then, which is bounded. A signal that the process
    ignores stays ignored.
    """
    stop = asyncio.Event()
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    count = 0

    def interrupt() -> None:
        nonlocal count
        count += 1
        stop.set()
        if count == 2:
            task.cancel()

    for number in INTERRUPTS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, interrupt)
    return stop
