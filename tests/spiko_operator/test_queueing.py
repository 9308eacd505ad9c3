"""The keyed queue: unique keys, one worker for each key, retries after failures."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from spiko_operator.errors import NamespaceTerminating, NotLeader
from spiko_operator.queueing import KeyedQueue


async def run(queue: KeyedQueue[str], seconds: float) -> None:
    """Run the queue for a while."""
    task = asyncio.create_task(queue.run())
    await asyncio.sleep(seconds)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_key_is_processed_once_and_again_if_added_meanwhile() -> None:
    """Given a hundred adds of a key, then it is processed once; an add during the
    processing causes one more.
    """
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
    await run(queue, 0.5)

    assert seen == ["a", "a"]


async def test_events_of_a_key_are_processed_together_and_none_is_lost() -> None:
    """Given an event every 2 ms for a second and a rest of 0.2 s, then the key is processed about five times
    and not 500 times, the last time after the last event; another key does not wait.
    """
    loop = asyncio.get_running_loop()
    events, seen, other = [0], list[int](), list[float]()

    async def work(key: str) -> None:
        if key == "b":
            other.append(loop.time())
        else:
            seen.append(events[0])

    queue = KeyedQueue[str](work, 1, Random(1), rest_s=0.2)
    task = asyncio.create_task(run(queue, 1.8))
    began = loop.time()
    while loop.time() < began + 1:
        events[0] += 1
        queue.add("a")
        await asyncio.sleep(0.002)
        if events[0] == 1:
            queue.add("b")
            added = loop.time()
    await task

    assert 2 <= len(seen) <= 6
    assert events[0] == seen[-1]
    assert other[0] - added < 0.1


async def test_failed_key_is_requeued_and_others_are_processed() -> None:
    """Given a failing key and a healthy key, then the healthy one is processed and the failing one is retried
    later.
    """
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


@pytest.mark.parametrize("error", [NotLeader("lost"), NamespaceTerminating("ends")], ids=["lost", "ends"])
async def test_key_is_dropped_quietly_when_leadership_or_its_namespace_ends(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """Given a pass that may write no more, then the key is not retried, and no line is logged; a later event
    of the key is processed.
    """
    seen: list[str] = []

    async def work(key: str) -> None:
        seen.append(key)
        raise error

    queue = KeyedQueue[str](work, 1, Random(1), rest_s=0.01)
    queue.add("a")
    asyncio.get_running_loop().call_later(1.2, queue.add, "a")
    await run(queue, 1.6)

    assert seen == ["a", "a"]
    assert not caplog.records


async def test_ages_are_those_of_keys_that_wait_and_of_passes_in_progress() -> None:
    """Given one worker that is busy and two keys that wait, then depth and age are those of the latter, and
    the longest pass is that of the worker; a key in backoff does not wait.
    """
    finish = asyncio.Event()

    async def work(key: str) -> None:
        if key == "fails":
            raise ValueError("a defect")
        await finish.wait()

    queue = KeyedQueue[str](work, 1, Random(1))
    queue.add("fails")
    queue.add("busy")
    task = asyncio.create_task(queue.run())
    await asyncio.sleep(0.1)
    before = (queue.depth, queue.oldest_wait_s(), queue.longest_pass_s() > 0.05)
    queue.add("waits")
    await asyncio.sleep(0.1)
    queue.add("waits too")
    during = (queue.depth, queue.oldest_wait_s(), queue.longest_pass_s())
    finish.set()
    await asyncio.sleep(0.05)
    after = (queue.depth, queue.oldest_wait_s(), queue.longest_pass_s())
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert (0, 0.0, True) == before
    assert 2 == during[0]
    assert 0.1 <= during[1] < during[2]
    assert (0, 0.0, 0.0) == after
