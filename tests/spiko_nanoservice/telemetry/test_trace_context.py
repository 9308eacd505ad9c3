"""Headers that travel with a request: which values are read, and which count as absent."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spiko_nanoservice.telemetry.trace_context import parse_deadline_us, parse_traceparent

TRACE, SPAN = b"0af7651916cd43dd8448eb211c80319c", b"b7ad6b7169203331"
VALID_00 = re.compile(rb"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})\Z")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"00-%b-%b-01" % (TRACE, SPAN), (TRACE, SPAN, True)),
        (b"00-%b-%b-00" % (TRACE, SPAN), (TRACE, SPAN, False)),
        (b"00-%b-%b-ff" % (TRACE, SPAN), (TRACE, SPAN, True)),
        (b"00-%b-%b-02" % (TRACE, SPAN), (TRACE, SPAN, False)),
        (b"01-%b-%b-01" % (TRACE, SPAN), (TRACE, SPAN, True)),
        (b"cc-%b-%b-01-what-the-future" % (TRACE, SPAN), (TRACE, SPAN, True)),
        (b"00-%b-%b-01-more" % (TRACE, SPAN), None),
        (b"cc-%b-%b-01.more" % (TRACE, SPAN), None),
        (b"ff-%b-%b-01" % (TRACE, SPAN), None),
        (b"00-%b-%b-01" % (b"0" * 32, SPAN), None),
        (b"00-%b-%b-01" % (TRACE, b"0" * 16), None),
        (b"00-%b-%b-01" % (TRACE.upper(), SPAN), None),
        (b"00-%b-%b-0" % (TRACE, SPAN), None),
        (b"00-%b%b--01" % (TRACE, SPAN), None),
        (b"00-%b-%b-0\n" % (TRACE, SPAN), None),
        (b"", None),
        (None, None),
    ],
)
def test_traceparent_follows_w3c_trace_context(value: bytes | None, expected: object) -> None:
    """Given a header, then a valid one gives its ids and flag, and any other counts as absent."""
    assert expected == parse_traceparent(value)


@given(
    st.lists(st.sampled_from([b"00", b"-", b"0", b"a", b"F", TRACE, SPAN, b"01", b"\n", b"\xff"]), max_size=9)
)
def test_version_00_is_read_as_its_grammar_says(parts: list[bytes]) -> None:
    """Given any text that begins as version 00, when it is parsed, then the result is that of the grammar."""
    value = b"00-" + b"".join(parts)
    found = VALID_00.match(value)
    expected = None if found is None else (found[1], found[2], bool(int(found[3], 16) & 1))

    assert expected == parse_traceparent(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"0", 0),
        (b"1500", 1_500_000),
        (b"1499.250", 1_499_250),
        (b".5", 500),
        (b"3600000", 3_600_000_000),
        (b"3600001", None),
        (b"999999999999", None),
        (b"0000000001500", None),
        (b"-1", None),
        (b"1e3", None),
        (b"1.2.3", None),
        (b".", None),
        (b"", None),
        (None, None),
    ],
)
def test_a_deadline_is_read_or_the_default_holds(value: bytes | None, expected: int | None) -> None:
    """Given a deadline header that is not a number from 0 to one hour, then the default holds."""
    assert (2_000_000 if expected is None else expected) == parse_deadline_us(value, 2000)
