"""How kopf retries: without end, and without a line for each attempt in a namespace without permissions."""

from __future__ import annotations

import itertools
import logging

from spiko_operator.kopf_retries import EndlessBackoff, ForbiddenLines

LIST = "https://api/apis/apps/v1/namespaces/later/deployments?limit=500&labelSelector=x"
WATCH = "https://api/apis/apps/v1/namespaces/later/deployments?watch=true&resourceVersion=7"


def line(url: str, error: str = "APIForbiddenError('no', status=403)", attempt: int = 1) -> logging.LogRecord:
    """Return a line of kopf about a failed attempt."""
    text = f"Request attempt #{attempt} failed; will retry: GET {url} -> {error}"
    return logging.LogRecord("kopf._cogs.clients.watching", logging.ERROR, "", 1, text, (), None)


def test_pauses_grow_to_13_s_and_have_no_end() -> None:
    """Given a request that always fails, then it is retried for ever, and each request starts anew."""
    backoff = EndlessBackoff()

    assert list(itertools.islice(backoff, 9)) == [1, 1, 2, 3, 5, 8, 13, 13, 13]
    assert next(iter(backoff)) == 1


def test_forbidden_lists_have_no_line_and_forbidden_watches_have_few() -> None:
    """Given attempts without permissions, then lists have no line, since the operator reports them, a watch
    has one, and other errors have all.
    """
    lines = ForbiddenLines()

    assert not lines.filter(line(LIST))
    assert [lines.filter(line(WATCH, attempt=n)) for n in range(1, 5)] == [True, False, False, False]
    assert lines.filter(line(LIST, "APIServerError('busy', status=500)"))
    assert lines.filter(line(LIST, "ClientConnectorError(22)"))
