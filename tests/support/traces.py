"""Spans for tests of the console: one call is a CLIENT span of the caller and, if it was answered, a SERVER span of the callee."""

from __future__ import annotations

from spiko_console.spans import CLIENT, SERVER, Span


def make_span(
    trace: str, span: str, parent: str, service: str, kind: int, start_ms: float, end_ms: float, error: str = "", peer: str = ""
) -> Span:  # fmt: skip
    """A span; its zone is the last letter of its service."""
    attributes = {"error.type": error} if error else {}
    if peer:
        attributes["service.peer.name"] = peer
    resource = {"service.name": service, "cloud.availability_zone": f"zone-{service[-1]}"}
    name = "GET" if kind == CLIENT else "GET /k/{key}"
    start, end = int(start_ms * 1e6), int(end_ms * 1e6)
    return Span(trace, span, parent, name, kind, start, end, bool(error), attributes, resource)


def make_call(trace: str, took_ms: float, error: str = "") -> list[Span]:
    """Www calls web, which calls db; with an error db does not answer."""
    spans = [
        make_span(trace, "1", "", "www", CLIENT, 0, took_ms, error, "web"),
        make_span(trace, "2", "1", "web", SERVER, took_ms * 0.25, took_ms * 0.75, error),
        make_span(trace, "3", "2", "web", CLIENT, took_ms * 0.3, took_ms * 0.7, error, "db"),
    ]
    return spans if error else [*spans, make_span(trace, "4", "3", "db", SERVER, took_ms * 0.4, took_ms * 0.6)]
