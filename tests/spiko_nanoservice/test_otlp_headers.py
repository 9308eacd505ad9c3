"""Headers of a Secret: what may be added to a request, and what an error says about it."""

from __future__ import annotations

import email.parser
import email.policy
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spiko_nanoservice.contract import ContractError
from spiko_nanoservice.contract.otlp_headers import (
    MOST_HEADERS,
    MOST_HEADERS_BYTES,
    RESERVED,
    parse_headers,
    reveals,
)

SECRET = b"s3cr3t-value"


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (b"", b""),
        (b"\n \n\r\n", b""),
        (b"x-tenant: 7", b"x-tenant: 7\r\n"),
        (b"Authorization: Basic dXNlcjpwYXNz\r\n", b"Authorization: Basic dXNlcjpwYXNz\r\n"),
        (b"a:b\n\tc:\t d  e \n", b"a: b\r\nc: d  e\r\n"),
        (b"url: http://x:1/", b"url: http://x:1/\r\n"),
    ],
)
def test_each_line_is_a_header(content: bytes, headers: bytes) -> None:
    """Given lines with one header each, then they are lines of a request; white space around is dropped."""
    assert headers == parse_headers(content)


@pytest.mark.parametrize(
    "line",
    [
        b"authorization", b"authorization:", b": %b", b"two words: %b", b"name : %b", b"a(b): %b",
        b"a: %b\rHost: evil", b"a: %b\0", b"a: %b\x7f", b"a: %b\x0bx", "ä: %b".encode(), "a: %bä".encode(),
        b"n" * 129 + b": %b",
    ],
)  # fmt: skip
def test_a_line_that_could_break_the_request_is_refused(line: bytes) -> None:
    """Given a line that is not an RFC 9110 field, then the error has its number, and neither its name nor its
    value.
    """
    with pytest.raises(ContractError) as caught:
        parse_headers(b"ok: 1\n\n" + line.replace(b"%b", SECRET) + b"\n")

    assert "line 3: must be `name: value` in printable ASCII" == str(caught.value)


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_headers_of_the_connection_are_refused(name: bytes) -> None:
    """Given a header that frames the request or belongs to the connection, then it is refused in any case."""
    for spelling in (name, name.upper(), name.title()):
        with pytest.raises(ContractError, match=r"^line 1: a header that the pod or the connection sets"):
            parse_headers(spelling + b": " + SECRET)


def test_headers_are_bounded_and_different() -> None:
    """Given too many headers, too many bytes, or a header twice, then the file is refused."""
    many = b"".join(b"x-%d: 1\n" % number for number in range(MOST_HEADERS + 1))
    assert parse_headers(many[: many.rindex(b"x-")]).count(b"\r\n") == MOST_HEADERS
    for content, message in (
        (many, f"at most {MOST_HEADERS} headers"),
        (b"a: " + b"x" * MOST_HEADERS_BYTES, f"at most {MOST_HEADERS_BYTES} bytes"),
        (b"Name: 1\nname: 2", "line 2: a header of an earlier line"),
    ):
        with pytest.raises(ContractError, match=message):
            parse_headers(content)


@given(st.binary(max_size=80) | st.text("aé:\r\n\0 \t", max_size=40).map(str.encode))
def test_any_file_gives_whole_headers_or_an_error_without_its_content(content: bytes) -> None:
    """Given any file, then each line of the result is one header that a parser reads back, or there is an
    error of fixed words.
    """
    error = ""
    try:
        headers = parse_headers(content)
    except ContractError as refused:
        headers, error = b"", str(refused)
    assert re.fullmatch(r"|line \d+: [-`: ,.a-zA-Z]+", error)
    lines = headers.split(b"\r\n")
    assert b"" == lines.pop()
    parsed = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(
        headers + b"\r\n", headersonly=True
    )
    assert len(lines) == len(parsed.keys())
    assert not {name.lower().encode() for name in parsed.keys()} & RESERVED  # noqa: SIM118  # names, not values


@given(st.text("abcdefgh-019", min_size=6, max_size=40), st.integers(0, 40), st.integers(6, 40))
def test_a_part_of_a_value_is_found(value: str, begin: int, length: int) -> None:
    """Given a text with at least six characters of a value, then it reveals the value; an empty one does
    not.
    """
    headers = parse_headers(f"x: 1\nauthorization: {value}".encode())
    part = value[begin : begin + length]

    assert reveals(f"no such token {part}!", headers) or len(part) < 6
    assert not reveals("", headers)
    assert not reveals("status 1", headers)
