"""Pure: denominator, elb, zuul, karyon and monolith.

They forward the request to one routed instance and return its reply.

The five packages differ in the instances that they see, which the registry decides, and in whether requests
begin at them. In Spigo a PUT was never answered; here every request is. Source: spigo actors/elb, zuul,
karyon, monolith.
"""

from __future__ import annotations

from spiko_nanoservice.roles import Answer, Forward, Identity, Step
from spiko_nanoservice.routing.table import Routes

_FORWARD = Forward()


class Router:
    """Forwards every request; keeps no data."""

    def get(self, key: bytes) -> Step:
        """Forward the request."""
        return _FORWARD

    def put(self, key: bytes, value: bytes, written_us: int) -> Step:
        """Forward the request."""
        return _FORWARD

    def replicate(self, key: bytes, value: bytes, written_us: int) -> Step:
        """Reject the copy of a write: the sender's routing table is wrong."""
        return Answer(400, b"this package keeps no data; replicate to a storage package\n")

    def update_routes(self, routes: Routes, identity: Identity) -> None:
        """Do nothing: the tier draws the instance from its routing table for every request."""
