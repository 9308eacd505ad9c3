"""Answers the plain HTTP requests to a eureka: health. Counters and edges need the proof of a session."""

from __future__ import annotations

from collections.abc import Callable

from spiko_nanoservice.wire.request import Request

Page = Callable[[Request], None]


def health_pages() -> dict[bytes, Page]:
    """Return the health pages by path."""
    return {b"/healthz": _answer_ok, b"/readyz": _answer_ok}


def _answer_ok(request: Request) -> None:
    request.reply(200, b"ok\n")
