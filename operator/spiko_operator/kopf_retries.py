"""How kopf retries its requests: without end, and without a line in the log for each attempt.

By default kopf gives up after nine attempts. A watch in one namespace without the permissions would then stop
the whole process.
"""

from __future__ import annotations

import itertools
import logging
import re
import time
from collections.abc import Iterable, Iterator

from spiko_operator.rate_limit import TokenBuckets

PAUSES_S = (1, 1, 2, 3, 5, 8, 13)  # the last one is repeated
LINE_EVERY_S = 600.0
_FORBIDDEN = re.compile(r"will retry: GET (\S+) -> APIForbiddenError")


class EndlessBackoff(Iterable[float]):
    """Pauses between the attempts of a request, seconds; the last one is repeated for ever."""

    def __iter__(self) -> Iterator[float]:
        """Return the pauses of one request."""
        return itertools.chain(PAUSES_S, itertools.repeat(PAUSES_S[-1]))


class ForbiddenLines(logging.Filter):
    """Drops kopf's lines about lists that are forbidden: `full_lists.py` reports these, once.

    A watch that is forbidden where a list is not has one line in ten minutes.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lines = TokenBuckets(1, LINE_EVERY_S)

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to log a record."""
        found = _FORBIDDEN.search(record.getMessage())
        if found is None:
            return True
        path, _, query = found[1].partition("?")
        return "watch=true" in query and self._lines.take(path, time.monotonic())
