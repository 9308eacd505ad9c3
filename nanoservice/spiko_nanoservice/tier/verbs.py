"""Maps method, path prefix and key of a request to a function of the role that decides it."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_to_bytes

from spiko_nanoservice.roles import KEY, REPLICATE, Role, Step, ring, ring_peers
from spiko_nanoservice.tier.request_context import RequestContext

# Decoded keys that are cached, and the longest key that is, in bytes.
KNOWN_KEYS, LONGEST_KNOWN_KEY = 1_024, 256
Verb = Callable[[Any, bytes, RequestContext], Step]
"""Role, key and request -> step."""


def _get(role: Role, key: bytes, context: RequestContext) -> Step:
    return role.get(key)


def _put(role: Role, key: bytes, context: RequestContext) -> Step:
    return role.put(key, context.body, context.written_us)


def _replicate(role: Role, key: bytes, context: RequestContext) -> Step:
    return role.replicate(key, context.body, context.written_us)


def _get_in_ring(role: ring.RingNode, key: bytes, context: RequestContext) -> Step:
    return role.get_in_ring(key)


def _enter(role: ring.RingNode, key: bytes, context: RequestContext) -> Step:
    return role.enter(key, context.body, context.written_us)


def _get_owned(role: ring.RingNode, key: bytes, context: RequestContext) -> Step:
    return role.get_owned(key)


def _put_owned(role: ring.RingNode, key: bytes, context: RequestContext) -> Step:
    return role.put_owned(key, context.body, context.written_us, True)


def _replicate_owned(role: ring.RingNode, key: bytes, context: RequestContext) -> Step:
    return role.put_owned(key, context.body, context.written_us, False)


def _get_held(role: ring.RingNode, key: bytes, context: RequestContext) -> Step:
    return role.get_held(key)


# By prefix, then by method: the tier looks up the prefix first to tell keys from pages.
PLAIN: dict[bytes, dict[bytes, Verb]] = {
    KEY: {b"GET": _get, b"PUT": _put},
    REPLICATE: {b"POST": _replicate},
}
RING: dict[bytes, dict[bytes, Verb]] = PLAIN | {
    ring.RING: {b"GET": _get_in_ring},
    ring.ENTER: {b"POST": _enter},
    ring.OWNED: {b"GET": _get_owned, b"PUT": _put_owned, b"POST": _replicate_owned},
    ring_peers.HELD: {b"GET": _get_held},
}


def decode_key(raw: bytes) -> bytes:
    """Return the key that a path names after its prefix: without query, percent-decoded."""
    if raw.isalnum():
        return raw
    return _decode_known_key(raw) if len(raw) <= LONGEST_KNOWN_KEY else _decode_key(raw)


def _decode_key(raw: bytes) -> bytes:
    key, _, _ = raw.partition(b"?")
    return unquote_to_bytes(key)


_decode_known_key = lru_cache(maxsize=KNOWN_KEYS)(_decode_key)
