"""Pure: denominator, elb, zuul, karyon, monolith: pass the request to one routed instance and its reply back.

The five differ in what they see (the registry's matter) and in where requests begin. In Spigo a PUT was never answered; here every
request is. Source: spigo actors/elb, zuul, karyon, monolith.
"""

from __future__ import annotations

from spiko_nanoservice.roles import Answer, Forward, Self, Step
from spiko_nanoservice.routing.table import Routes


class Router:
    """Keeps nothing."""

    def get(self, key: bytes) -> Step:
        """Pass it on."""
        return Forward()

    def put(self, key: bytes, value: bytes, written_us: int) -> Step:
        """Pass it on, and the reply back."""
        return Forward()

    def replicate(self, key: bytes, value: bytes, written_us: int) -> Step:
        """A router holds no data: whoever replicates to it has a wrong table."""
        return Answer(400, b"a router keeps no data\n")

    def learn(self, routes: Routes, who: Self) -> None:
        """The shell draws from the whole table."""
