"""What is said over the wire is what `dataclasses.asdict` would say."""

from __future__ import annotations

import dataclasses

import pytest

from spiko_nanoservice.contract import Configuration, Hello, Revision, decode, encode
from tests.support.loopback_cluster import configuration, tier

HELLO = Hello(1, "u", "p", "db", "store", "1.0.0", "r", "a", "127.0.0.1", 8080, (7, 1), None, None)


@pytest.mark.parametrize(
    "value", [HELLO, Revision(0, 1), configuration(tier("front", "monolith", "db"), tier("db", "store", zones="ab"))]
)
def test_encoding_is_complete_and_read_back(value: Hello | Revision | Configuration) -> None:
    """Nothing is left out, whatever lies within what, and what is read back is equal."""
    assert dataclasses.asdict(value) == encode(value)
    assert value == decode(type(value), encode(value))
