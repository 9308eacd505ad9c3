"""Limits the connections of an HTTP server, and what it keeps of unfinished requests.

At a limit the connections that have been idle longest make room for the new one, so that a client which opens
connections without using them cuts off neither busy clients nor probes. A client sends a request again if a
kept-alive connection ends before the reply. Without an idle connection the new one is refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from spiko_nanoservice.wire.request import Handler

# All callers of a local cluster share an address: 1,000 pods with two connections each fit into its limit.
MOST_CONNECTIONS, MOST_OF_SOURCE = 8_192, 2_048
# Bytes of all unfinished requests.
MOST_HELD_BYTES = 64 << 20
# At a limit, this share of the connections makes room at once, which keeps the cost of an accept constant.
SHARE = 8


class LimitedConnection(Protocol):
    """A connection, as the limits see it."""

    def idle_since(self) -> float | None:
        """Return when the last request began; None with a request in progress."""

    def close_if_idle(self) -> None:
        """End a kept-alive connection without a request."""

    def abort(self) -> None:
        """End the connection at once."""


class ConnectionOwner(Protocol):
    """The server, as its connections see it."""

    handler: Handler
    limits: ConnectionLimits
    draining: bool
    busy: int

    def ended(self, connection: LimitedConnection) -> None:
        """Forget a connection that has ended."""


class ConnectionLimits:
    """The open connections of a server.

    Args:
        most: connections.
        most_of_source: connections of one client's address.
        most_held: bytes of all unfinished requests.

    Attributes:
        connections: the open connections, with the addresses of their clients.
        held: bytes of all unfinished requests.
    """

    def __init__(
        self,
        most: int = MOST_CONNECTIONS,
        most_of_source: int = MOST_OF_SOURCE,
        most_held: int = MOST_HELD_BYTES,
    ) -> None:
        self._most, self._most_of_source, self._most_held = most, most_of_source, most_held
        self._by_source: dict[str, set[LimitedConnection]] = {}
        self.connections: dict[LimitedConnection, str] = {}
        self.held = 0

    def add(self, connection: LimitedConnection, source: str) -> bool:
        """Add a new connection from an address; return False if a limit is reached."""
        same = self._by_source.get(source, ())
        if len(same) >= self._most_of_source:
            self._make_room(same)
        if len(self.connections) >= self._most:
            self._make_room(self.connections)
        same = self._by_source.setdefault(source, set())
        if len(same) >= self._most_of_source or len(self.connections) >= self._most:
            return False
        same.add(connection)
        self.connections[connection] = source
        return True

    def discard(self, connection: LimitedConnection) -> None:
        """Forget a connection, if it is not forgotten already."""
        source = self.connections.pop(connection, None)
        if source is None:
            return
        same = self._by_source[source]
        same.discard(connection)
        if not same:
            del self._by_source[source]

    def hold(self, change: int) -> bool:
        """Add to the bytes of unfinished requests; return whether they are within the limit."""
        self.held += change
        return self.held <= self._most_held

    def _make_room(self, connections: Iterable[LimitedConnection]) -> None:
        """Close the connections that have been idle longest."""
        idle = [(since, c) for c in connections if (since := c.idle_since()) is not None]
        idle.sort(key=lambda item: item[0])
        for _, connection in idle[: max(1, len(idle) // SHARE)]:
            self.discard(connection)
            connection.abort()
