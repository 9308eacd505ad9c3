"""The keyed queue: once, never twice at the same time, later after a failure."""

from __future__ import annotations

import asyncio
from random import Random

from spiko_operator.queueing import KeyedQueue


async def run(queue: KeyedQueue[str], seconds: float) -> None:
    """Work for a while."""
    task = asyncio.create_task(queue.run())
    await asyncio.sleep(seconds)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_key_queued_many_times_is_worked_on_once_and_again_if_it_came_meanwhile() -> None:
    """A hundred adds are one piece of work; an add during the work is one more."""
    seen: list[str] = []

    async def work(key: str) -> None:
        seen.append(key)
        if len(seen) == 1:
            queue.add(key)
            queue.add(key)
        await asyncio.sleep(0.01)

    queue = KeyedQueue[str](work, 4, Random(1))
    for _ in range(100):
        queue.add("a")
    await run(queue, 0.1)

    assert seen == ["a", "a"]


async def test_a_failure_comes_again_and_disturbs_nobody_else() -> None:
    """One broken key beside a healthy one: the healthy is done, the broken is tried again later."""
    tries = {"bad": 0, "good": 0}

    async def work(key: str) -> None:
        tries[key] += 1
        if key == "bad":
            raise ValueError("broken")

    queue = KeyedQueue[str](work, 1, Random(1))
    queue.add("bad")
    queue.add("good")
    await run(queue, 1.0)

    assert tries["good"] == 1
    assert 2 <= tries["bad"] <= 3
