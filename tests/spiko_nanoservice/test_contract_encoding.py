"""Encoding of contract values for the wire."""

from __future__ import annotations

import dataclasses

import pytest

from spiko_nanoservice.contract import Configuration, Hello, Revision, decode, encode
from tests.support.loopback_cluster import configuration, tier

HELLO = Hello(1, "u", "p", "db", "store", "1.0.0", "r", "a", "127.0.0.1", 8080, (7, 1), None, None)


@pytest.mark.parametrize(
    "value",
    [HELLO, Revision(0, 1), configuration(tier("front", "monolith", "db"), tier("db", "store", zones="ab"))],
)
def test_encoded_values_are_decoded_to_equal_values(value: Hello | Revision | Configuration) -> None:
    """Given a contract value, then encoding equals `dataclasses.asdict`, and decoding inverts it."""
    assert dataclasses.asdict(value) == encode(value)
    assert value == decode(type(value), encode(value))
