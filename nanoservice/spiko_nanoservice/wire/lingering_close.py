"""The end of a connection whose other side may still be sending.

The kernel resets a connection that is closed while input waits, and the other side may then lose the last
bytes that were sent to it, which say why the connection ended. So the input is read and discarded for a
moment (RFC 9112, section 9.6).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

LINGER_S = 1.0


def close_lingering(transport: Any, on_lost: Callable[[Exception | None], None]) -> None:
    """End a connection after everything written was sent.

    The connection ends when the other side ends it, or after `LINGER_S`.

    Args:
        transport: an open `asyncio.Transport`; its protocol gets no more calls.
        on_lost: is called when the connection has ended, as `connection_lost` of a protocol.
    """
    timer = asyncio.get_running_loop().call_later(LINGER_S, transport.abort)
    transport.set_protocol(_Discarding(timer, on_lost))
    transport.write_eof()
    transport.resume_reading()


class _Discarding(asyncio.Protocol):
    def __init__(self, timer: asyncio.TimerHandle, on_lost: Callable[[Exception | None], None]) -> None:
        self._timer, self._on_lost = timer, on_lost

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        self._on_lost(exc)
