"""A trace as text."""

from __future__ import annotations

from dataclasses import replace

from made import make_call, make_span

from spiko_console.spans import CLIENT, SERVER, make_trace
from spiko_console.waterfall import BAR, MOST_LINES, render_trace


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
