"""Pure: random input of hostile clients, drawn from a seed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from random import Random

from tests.support.websocket_frames import CONTINUATION, MASK, PING, TEXT, render_frame

# Pieces that are sent one after the other.
Pieces = Iterator[bytes]
PATHS = (
    *(
        "/",
        "/healthz",
        "/metrics",
        "/register",
        "/peer",
        "/control",
        "/read",
        "/k/x",
        "/handover",
        "/resolve",
    ),
    *(
        "/exec/default/a/b?command=id",
        "/api/v1/secrets",
        "/v1/traces",
        "/apis",
        "/pods",
        "/nodes/a/stop",
        "/%00%ff",
        "*",
    ),
)
METHODS = ("GET", "PUT", "POST", "HEAD", "DELETE", "TRACE", "OPTIONS", "CONNECT", "PRI", "G\x00T", "")
NUMBERS = ("-1", "0", "1e400", "18446744073709551616", "99999999999999999999", "NaN", "0x10", "", "\xff")
HEADERS = ("traceparent", "tracestate", "baggage", "spiko-deadline-us", "expect", "origin", "authorization")
UPGRADE = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"


def draw_request(random: Random, more: str = "", body: bytes = b"") -> bytes:
    """Return a request that is nearly valid."""
    path = random.choice(PATHS) + random.choice(("", "?a=b", "?region=%ff", "?name=" + "x" * 3_000))
    values = "".join(
        f"{random.choice(HEADERS)}: {random.choice(NUMBERS)}\r\n" for _ in range(random.randrange(4))
    )
    head = (
        f"{random.choice(METHODS)} {path} HTTP/1.{random.choice('011119')}\r\nHost: x\r\n{values}{more}\r\n"
    )
    return head.encode("latin-1") + body


def draw_json(random: Random) -> str:
    """Return JSON, or nearly, that is deep, large, or has extreme numbers."""
    kinds = ("proof", "hello", "report", "config", "follow", "entries", "changes", "crash", "ack", "bye", "?")
    number = random.choice(("1e400", "NaN", "-1", str(2**40), str(2**62), "9" * 3_000, "null", "[]", '"x"'))
    return random.choice(
        (
            "[" * random.randrange(1, 30_000),
            '{"t":' * random.randrange(1, 5_000),
            f'{{"t":"{random.choice(kinds)}","id":{number},"config":{number},"revision":{number},"hurt":{{"a":{number}}}}}',
            json.dumps({"t": "config", "configuration": {"revision": {"term": 2**40, "counter": 1}}}),
            json.dumps(
                {"t": "proof", "nonce": "0" * 32, "epoch": random.choice((0, 1, 2**62)), "mac": "0" * 64}
            ),
            json.dumps({"t": random.choice(kinds), "hello": {str(i): "x" * 50 for i in range(60)}}),
            json.dumps(
                {"t": random.choice(kinds), "edges": [{"to": [1, 2, 3, 4]}] * 50, "entries": [[]] * 50}
            ),
            '"' + "\\ud800" * 100 + '"',
        )
    )


def _garbage(random: Random) -> Pieces:
    yield random.randbytes(random.randrange(1, 20_000))


def _nothing(random: Random) -> Pieces:
    yield from ()


def _half_request(random: Random) -> Pieces:
    request = draw_request(random)
    yield request[: random.randrange(1, len(request))]


def _slow_headers(random: Random) -> Pieces:
    yield b"GET / HTTP/1.1\r\n"
    for number in range(random.randrange(50)):
        yield f"x-{number}: y\r\n".encode()


def _huge_headers(random: Random) -> Pieces:
    name = random.choice(("x", "x" * 70_000))
    yield b"GET / HTTP/1.1\r\n" + f"{name}: {'y' * random.randrange(200_000)}\r\n".encode()
    yield b"z: z\r\n" * 10_000


def _pipelined(random: Random) -> Pieces:
    yield b"".join(draw_request(random) for _ in range(random.randrange(2, 20)))
    yield b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * random.randrange(1, 60)


def _chunks(random: Random) -> Pieces:
    yield draw_request(random, "Transfer-Encoding: chunked\r\n")
    size = random.choice((b"ffffffffffffffff", b"-1", b"5;" + b"x" * 9_000, b"5", b"0", b"\x00"))
    yield size + b"\r\nhello\r\n"
    yield b"0\r\n" + b"traceparent: 00-1\r\n" * random.randrange(4_000) + b"\r\n"


def _lengths(random: Random) -> Pieces:
    lines = "".join(f"Content-Length: {random.choice(NUMBERS)}\r\n" for _ in range(random.randrange(1, 3)))
    yield draw_request(random, lines + random.choice(("", "Transfer-Encoding: chunked\r\n")), b"abc")


def _half_body(random: Random) -> Pieces:
    yield b"PUT /k/x HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"
    yield b"x" * random.randrange(999_999)


def _bomb_body(random: Random) -> Pieces:
    body = draw_json(random).encode()
    yield draw_request(random, f"Content-Length: {len(body)}\r\n", body)


def _frames(random: Random) -> Pieces:
    path = random.choice(("/register", "/peer", "/control", "/read"))
    origin = random.choice(("", "", "Origin: http://a\r\n"))
    key = random.choice(("AAAAAAAAAAAAAAAAAAAAAA==", "", "x" * 4_096))
    yield f"GET {path} HTTP/1.1\r\nHost: x\r\n{UPGRADE}{origin}Sec-WebSocket-Key: {key}\r\n\r\n".encode()
    yield random.choice(
        (
            b"",
            random.randbytes(500),
            render_frame(TEXT, b"", MASK, final=False)
            + render_frame(CONTINUATION, b"", MASK, final=False) * 5_000,
            render_frame(PING, b"x" * 125, MASK) * random.randrange(1, 1_000),
            bytes((129, 255)) + (1 << 60).to_bytes(8, "big") + MASK + b"x" * 1_000,
            render_frame(TEXT, b"{}"),
            render_frame(TEXT, draw_json(random).encode(), MASK),
            render_frame(TEXT, b"\xff\xfe", MASK),
            render_frame(random.randrange(3, 16), b"x" * random.randrange(200), MASK),
        )
    )


ATTACKS: dict[str, Callable[[Random], Pieces]] = {
    "garbage": _garbage,
    "nothing": _nothing,
    "half a request": _half_request,
    "slow headers": _slow_headers,
    "huge headers": _huge_headers,
    "pipelined": _pipelined,
    "chunks": _chunks,
    "lengths": _lengths,
    "half a body": _half_body,
    "JSON": _bomb_body,
    "frames": _frames,
}
