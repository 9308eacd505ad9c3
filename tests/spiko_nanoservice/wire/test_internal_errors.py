"""Unexpected errors at the edges of the process."""

from __future__ import annotations

import pytest

from spiko_nanoservice.wire import internal_errors
from spiko_nanoservice.wire.internal_errors import InternalErrors


def test_each_kind_of_error_is_logged_once_and_all_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    """Given errors of several kinds and places, then each kind has one log line with its traceback."""
    errors = InternalErrors()
    for _ in range(5):
        errors.note("request", KeyError("a"))
        errors.note("request", ValueError("b"))
        errors.note("session", KeyError("c"))

    assert 15 == errors.total
    assert 3 == len(caplog.records)
    assert all(record.exc_info for record in caplog.records)


def test_endless_kinds_of_errors_do_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Given errors at ever new places, then the log has a limited number of lines."""
    errors = InternalErrors()
    for number in range(1_000):
        errors.note(f"place {number}", KeyError())

    assert (1_000, internal_errors.MOST_KINDS) == (errors.total, len(caplog.records))


async def test_a_background_task_goes_on_after_an_error() -> None:
    """Given a task that fails twice, then it is started again, and ends when it ends by itself."""
    errors, starts = InternalErrors(pause_s=0.0), 0

    async def work() -> None:
        nonlocal starts
        starts += 1
        if starts < 3:
            raise RecursionError

    await errors.keep_running("work", work)

    assert (3, 2) == (starts, errors.total)
