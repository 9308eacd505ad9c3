"""A trace as text."""

from __future__ import annotations

from dataclasses import replace

import pytest

from spiko_console.spans import CLIENT, SERVER, Span, make_trace, thin
from spiko_console.waterfall import BAR, MOST_DEPTH, MOST_LINES, MOST_TEXT, lines_of, render_trace
from tests.support.traces import make_call, make_span


def test_a_call_is_one_line_with_both_its_times() -> None:
    """Dotted where only the caller waits, solid where the callee works; the root's line is the source's."""
    head, www, web, db = render_trace(make_trace(make_call("t", 40))).splitlines()

    assert "GET   40.00 ms  trace t" == head
    assert www.startswith("www ")
    assert "└ web" in web
    assert f"|{'░' * 12}{'█' * 24}{'░' * 12}|    40.00 ms, 20.00 at the callee" in web
    assert BAR == len(db.split("|")[1])
    assert "16.00 ms, 8.00 at the callee" in db


def test_the_head_names_what_was_asked_for() -> None:
    """The path, whether a client's span has it within the address or a server's by itself."""
    client = make_span("t", "1", "", "www", CLIENT, 0, 1)
    server = make_span("t", "1", "", "www", SERVER, 0, 1)
    asked = [
        replace(client, attributes={"url.full": "http://127.0.0.1:80/k/a"}),
        replace(server, attributes={"url.path": "/k/a"}),
    ]

    assert ["GET /k/a  1.00 ms  trace t", "GET /k/{key} /k/a  1.00 ms  trace t"] == [
        render_trace(make_trace([span])).splitlines()[0] for span in asked
    ]


def test_a_call_without_an_answer_says_why() -> None:
    """It is named after the peer that the caller meant."""
    text = render_trace(make_trace(make_call("t", 40, error="refused")))

    assert "└ db" in text
    assert "! refused, no answer" in text.splitlines()[-1]


def test_a_missing_span_is_said_and_its_children_stand_apart() -> None:
    """Nothing that came is hidden."""
    spans = make_call("t", 40)
    text = render_trace(make_trace([spans[0], spans[3]]))

    assert "db" in text
    assert "a span is missing" in text


def test_a_wide_trace_is_cut() -> None:
    """A fan-out of a thousand is no page to read."""
    root = make_span("t", "0", "", "www", CLIENT, 0, 10)
    calls = [make_span("t", f"c{i}", "0", "db", SERVER, i / 100, i / 100 + 1) for i in range(1, 1_000)]

    assert MOST_LINES + 2 == len(render_trace(make_trace([root, *calls])).splitlines())


def test_spans_of_no_length_and_of_clocks_that_disagree_are_drawn() -> None:
    """A child that ends before it begins, and a trace that takes no time."""
    spans = [make_span("t", "1", "", "www", CLIENT, 5, 5), make_span("t", "2", "1", "web", SERVER, 7, 6)]

    assert "0.00 ms" in render_trace(make_trace(spans))
    assert render_trace(make_trace(spans[:1]))


def test_a_deep_trace_is_cut_and_says_by_how_much() -> None:
    """A request that goes round until its deadline has thousands of hops."""
    spans = [make_span("t", "0", "", "www", CLIENT, 0, 1_200)]
    spans += [make_span("t", f"{i}", f"{i - 1}", f"tier{i}", SERVER, i, 1_200) for i in range(1, 1_200)]
    lines = render_trace(make_trace(spans)).splitlines()

    assert 1_200 == len(lines_of(make_trace(spans)))  # www's own, and its call, which tier1 answers
    assert f"... and {1_200 - MOST_DEPTH - 1} more, {1_200 - MOST_DEPTH - 1} of them deeper" == lines[-1]
    assert max(map(len, lines)) < 200


ODD = {
    "a span that is its own parent": [make_span("t", "1", "1", "a", CLIENT, 0, 1)],
    "two that are each other's": [make_span("t", "1", "2", "a", SERVER, 0, 1), make_span("t", "2", "1", "b", SERVER, 1, 2)],
    "a caller and a callee that are each other's": [make_span("t", "1", "2", "a", CLIENT, 0, 1), make_span("t", "2", "1", "b", SERVER, 1, 2)],
    "a circle beside a root": [
        make_span("t", "0", "", "r", CLIENT, 0, 9), make_span("t", "1", "2", "a", SERVER, 0, 1), make_span("t", "2", "1", "b", SERVER, 1, 2),
    ],
    "times at both ends": [replace(make_span("t", "1", "", "a", CLIENT, 0, 0), start_ns=0, end_ns=2**64 - 1), make_span("t", "2", "1", "b", SERVER, 9, 1)],
}  # fmt: skip


@pytest.mark.parametrize("spans", ODD.values(), ids=ODD)
def test_whatever_spans_say_of_each_other_each_is_drawn_once(spans: list[Span]) -> None:
    """Nobody's export may cost the report."""
    trace = make_trace(spans)
    drawn = {id(span): span for line in lines_of(trace) for span in (line.outer, line.inner) if span is not None}

    assert sorted(span.span_id for span in spans) == sorted(span.span_id for span in drawn.values())
    assert render_trace(trace)
    assert trace.whole == (spans is ODD["times at both ends"])


def test_texts_of_others_are_one_line_each() -> None:
    """No escape sequence, no line break, no page of it, and an address that is none."""
    span = make_span("t", "1", "", "web\n\x1b[31m" + "x" * 10_000, SERVER, 0, 1, error="e\r" * 500)
    lines = render_trace(
        make_trace([replace(span, attributes={**span.attributes, "url.full": "http://["})])
    ).splitlines()

    assert 2 == len(lines)
    assert lines[1].startswith(f"web??[31m{'x' * (MOST_TEXT - 10)}…")
    assert all(line.isprintable() and len(line) < 300 for line in lines)


def test_a_trace_that_is_too_large_keeps_its_root_and_what_came_first() -> None:
    """And says how much is missing."""
    root = make_span("t", "0", "", "www", CLIENT, 0, 10)
    calls = [make_span("t", f"c{i}", "0", "db", SERVER, i / 100, i / 100 + 1) for i in range(1_000, 0, -1)]
    trace = thin(make_trace([*calls, root]), 20_000)

    assert root is trace.root
    assert "c1" == trace.spans[1].span_id
    assert 1_001 == len(trace.spans) + trace.left_out
    assert f"({trace.left_out} spans were left out" in render_trace(trace)
    assert trace.spans == thin(trace, 1 << 30).spans
