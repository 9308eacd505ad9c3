"""The waterfall: a trace as text."""

from __future__ import annotations

from dataclasses import replace

import pytest

from spiko_console.spans import CLIENT, SERVER, Span, make_trace, thin
from spiko_console.waterfall import BAR, MAX_DEPTH, MAX_LINES, MAX_TEXT, lines_of, render_trace
from tests.support.traces import make_call, make_span


def test_a_call_is_one_line_with_the_times_of_both_ends() -> None:
    """Given a call, then its bar is dotted where only the caller waits and solid where the callee works."""
    head, www, web, db = render_trace(make_trace(make_call("t", 40))).splitlines()

    assert "GET   40.00 ms  trace t" == head
    assert www.startswith("www ")
    assert "└ web" in web
    assert f"|{'░' * 12}{'█' * 24}{'░' * 12}|    40.00 ms, 20.00 at the callee" in web
    assert BAR == len(db.split("|")[1])
    assert "16.00 ms, 8.00 at the callee" in db


def test_the_head_has_the_requested_path() -> None:
    """Given a client's span with a URL, or a server's with a path, then the head has the path."""
    client = make_span("t/1/", "www", CLIENT, (0, 1))
    server = make_span("t/1/", "www", SERVER, (0, 1))
    asked = [
        replace(client, attributes={"url.full": "http://127.0.0.1:80/k/a"}),
        replace(server, attributes={"url.path": "/k/a"}),
    ]

    assert ["GET /k/a  1.00 ms  trace t", "GET /k/{key} /k/a  1.00 ms  trace t"] == [
        render_trace(make_trace([span])).splitlines()[0] for span in asked
    ]


def test_a_call_without_an_answer_shows_the_reason() -> None:
    """Given a call without a callee's span, then its line has the peer's name and the error."""
    text = render_trace(make_trace(make_call("t", 40, error="refused")))

    assert "└ db" in text
    assert "! refused, no answer" in text.splitlines()[-1]


def test_a_missing_span_is_reported_and_its_children_are_shown() -> None:
    """Given a trace without an inner span, then the text reports that, and all received spans are shown."""
    spans = make_call("t", 40)
    text = render_trace(make_trace([spans[0], spans[3]]))

    assert "db" in text
    assert "a span is missing" in text


def test_a_wide_trace_is_cut() -> None:
    """Given a fan-out of a thousand calls, then the text has 60 of them and the number of the others."""
    root = make_span("t/0/", "www", CLIENT, (0, 10))
    calls = [make_span(f"t/c{i}/0", "db", SERVER, (i / 100, i / 100 + 1)) for i in range(1, 1_000)]

    assert MAX_LINES + 2 == len(render_trace(make_trace([root, *calls])).splitlines())


def test_spans_of_no_length_and_of_clocks_that_disagree_are_drawn() -> None:
    """Given a child that ends before it starts, and a trace without a duration, then both are drawn."""
    spans = [make_span("t/1/", "www", CLIENT, (5, 5)), make_span("t/2/1", "web", SERVER, (7, 6))]

    assert "0.00 ms" in render_trace(make_trace(spans))
    assert render_trace(make_trace(spans[:1]))


def test_a_deep_trace_is_cut_and_counts_the_rest() -> None:
    """Given a request that loops until its deadline, then calls below 24 levels are counted only."""
    spans = [make_span("t/0/", "www", CLIENT, (0, 1_200))]
    spans += [make_span(f"t/{i}/{i - 1}", f"tier{i}", SERVER, (i, 1_200)) for i in range(1, 1_200)]
    lines = render_trace(make_trace(spans)).splitlines()

    assert 1_200 == len(lines_of(make_trace(spans)))  # of www itself, and of its call to tier1
    assert f"... and {1_200 - MAX_DEPTH - 1} more, {1_200 - MAX_DEPTH - 1} of them deeper" == lines[-1]
    assert max(map(len, lines)) < 200


ODD = {
    "a span that is its own parent": [make_span("t/1/1", "a", CLIENT, (0, 1))],
    "two that are each other's": [
        make_span("t/1/2", "a", SERVER, (0, 1)),
        make_span("t/2/1", "b", SERVER, (1, 2)),
    ],
    "a caller and a callee that are each other's": [
        make_span("t/1/2", "a", CLIENT, (0, 1)),
        make_span("t/2/1", "b", SERVER, (1, 2)),
    ],
    "a cycle beside a root": [
        make_span("t/0/", "r", CLIENT, (0, 9)),
        make_span("t/1/2", "a", SERVER, (0, 1)),
        make_span("t/2/1", "b", SERVER, (1, 2)),
    ],
    "times at both ends": [
        replace(make_span("t/1/", "a", CLIENT, (0, 0)), start_ns=0, end_ns=2**64 - 1),
        make_span("t/2/1", "b", SERVER, (9, 1)),
    ],
}


@pytest.mark.parametrize("spans", ODD.values(), ids=ODD)
def test_every_span_is_drawn_once_whatever_its_parent(spans: list[Span]) -> None:
    """Given spans with impossible parents or times, then each is drawn once, and there is no error."""
    trace = make_trace(spans)
    drawn = {
        id(span): span for line in lines_of(trace) for span in (line.outer, line.inner) if span is not None
    }

    assert sorted(span.span_id for span in spans) == sorted(span.span_id for span in drawn.values())
    assert render_trace(trace)
    assert trace.complete == (spans is ODD["times at both ends"])


def test_untrusted_text_is_printable_and_short() -> None:
    """Given a name of 10,000 letters with control characters, and an invalid URL, then each line is short."""
    span = make_span("t/1/", "web\n\x1b[31m" + "x" * 10_000, SERVER, (0, 1), error="e\r" * 500)
    lines = render_trace(
        make_trace([replace(span, attributes={**span.attributes, "url.full": "http://["})])
    ).splitlines()

    assert 2 == len(lines)
    assert lines[1].startswith(f"web??[31m{'x' * (MAX_TEXT - 10)}…")
    assert all(line.isprintable() and len(line) < 300 for line in lines)


def test_a_trace_that_is_too_large_keeps_its_root_and_its_earliest_spans() -> None:
    """Given a trace above the limit, then the text has the number of omitted spans."""
    root = make_span("t/0/", "www", CLIENT, (0, 10))
    calls = [make_span(f"t/c{i}/0", "db", SERVER, (i / 100, i / 100 + 1)) for i in range(1_000, 0, -1)]
    trace = thin(make_trace([*calls, root]), 20_000)

    assert root is trace.root
    assert "c1" == trace.spans[1].span_id
    assert 1_001 == len(trace.spans) + trace.left_out
    assert f"({trace.left_out} spans omitted" in render_trace(trace)
    assert trace.spans == thin(trace, 1 << 30).spans
