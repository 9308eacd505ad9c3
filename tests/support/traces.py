"""Spans for tests: a call has a CLIENT span of the caller and, if answered, a SERVER span of the callee."""

from __future__ import annotations

from spiko_console.spans import CLIENT, SERVER, Span


def make_span(
    ids: str, service: str, kind: int, times_ms: tuple[float, float], error: str = "", peer: str = ""
) -> Span:
    """Return a span.

    Args:
        ids: trace/span/parent; an empty parent for a root.
        service: its last letter is its zone.
        kind: CLIENT or SERVER.
        times_ms: start and end.
        error: error.type; empty for success.
        peer: service.peer.name; empty for none.
    """
    trace, span, parent = ids.split("/")
    attributes = {"error.type": error} if error else {}
    if peer:
        attributes["service.peer.name"] = peer
    resource = {"service.name": service, "cloud.availability_zone": f"zone-{service[-1]}"}
    name = "GET" if kind == CLIENT else "GET /k/{key}"
    start, end = (int(each * 1e6) for each in times_ms)
    return Span(trace, span, parent, name, kind, start, end, bool(error), attributes, resource)


def make_call(trace: str, took_ms: float, error: str = "") -> list[Span]:
    """Return the spans of www -> web -> db; with an error db does not answer."""
    spans = [
        make_span(f"{trace}/1/", "www", CLIENT, (0, took_ms), error, "web"),
        make_span(f"{trace}/2/1", "web", SERVER, (took_ms * 0.25, took_ms * 0.75), error),
        make_span(f"{trace}/3/2", "web", CLIENT, (took_ms * 0.3, took_ms * 0.7), error, "db"),
    ]
    return (
        spans if error else [*spans, make_span(f"{trace}/4/3", "db", SERVER, (took_ms * 0.4, took_ms * 0.6))]
    )
