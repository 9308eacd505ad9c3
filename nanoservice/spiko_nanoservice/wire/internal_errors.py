"""Counts errors that no code expected, at the edges of the process, and logs each kind of them once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

# Kinds of errors that are remembered as logged.
MOST_KINDS = 100
PAUSE_S = 1.0
log = logging.getLogger("spiko")


class InternalErrors:
    """The unexpected errors of this process.

    Args:
        pause_s: seconds until a background task is started again.

    Attributes:
        total: their number since the start of the process.
    """

    def __init__(self, pause_s: float = PAUSE_S) -> None:
        self._pause_s = pause_s
        self.total = 0
        self._logged: set[tuple[str, str]] = set()

    def note(self, where: str, error: BaseException, detail: str = "") -> None:
        """Count an error; log it with its traceback if it is the first of its kind at this place.

        Args:
            where: the place.
            error: that no code expected.
            detail: for the log.
        """
        self.total += 1
        kind = (where, type(error).__name__)
        if kind not in self._logged and len(self._logged) < MOST_KINDS:
            self._logged.add(kind)
            log.error("%s: unexpected error, logged once %s", where, detail, exc_info=error)

    async def keep_running(self, where: str, work: Callable[[], Awaitable[None]]) -> None:
        """Run a background task until it ends by itself; after an error, start it again."""
        while True:
            try:
                return await work()
            except Exception as error:  # noqa: BLE001  # the edge of the process
                self.note(where, error)
                await asyncio.sleep(self._pause_s)


internal_errors = InternalErrors()
