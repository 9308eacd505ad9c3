"""Pure: staash, the data access layer: calls one random instance of each kind of storage that it depends on.

A GET asks the kinds in Spigo's order until one has the key; after a miss or a failure the next kind is asked.
A PUT writes to one instance of each kind. On a volume every instance of a staash has a namespace of its own,
`<instance name>/`, so a key is written and read as `mysql00/key`.

Three defects of Spigo are not reproduced: it lost every miss, read volumes without the namespace, and did not
know riak. One rule is new: an instance never asks its own tier, because every miss and every write would then
circulate without end. Source: spigo actors/staash.
"""

from __future__ import annotations

from urllib.parse import quote

from spiko_nanoservice.contract import PACKAGES, StorageKind
from spiko_nanoservice.roles import KEY, NO_ROUTE, Answer, Attempt, Copies, Identity, InOrder, Step, Until
from spiko_nanoservice.routing.table import Group, Routes

_PACKAGES_OF = {
    kind: frozenset(package for package, traits in PACKAGES.items() if traits.storage is kind)
    for kind in StorageKind
}


class Staash:
    """The steps of one instance, which change with the routing table only."""

    def __init__(self) -> None:
        self._get: Step = NO_ROUTE
        self._put: Step = NO_ROUTE

    def get(self, key: bytes) -> Step:
        """Ask one kind of storage after the other."""
        return self._get

    def put(self, key: bytes, value: bytes, written_us: int) -> Step:
        """Write to every kind of storage."""
        return self._put

    def replicate(self, key: bytes, value: bytes, written_us: int) -> Step:
        """Reject the copy of a write: the sender's routing table is wrong."""
        return Answer(400, b"a staash keeps no data; replicate to a storage package\n")

    def update_routes(self, routes: Routes, identity: Identity) -> None:
        """Prepare one attempt for every connected kind of storage."""
        attempts = []
        for kind, packages in _PACKAGES_OF.items():
            own_tier = identity.space.tier if kind is StorageKind.STAASH else ""
            group: Group = routes.group(packages, without=own_tier)
            if group:
                namespace = (
                    quote(f"{identity.name}/", safe="").encode() if kind is StorageKind.VOLUME else b""
                )
                attempts.append(Attempt(group, KEY + namespace))
        self._get = InOrder(tuple(attempts), Until.FOUND) if attempts else NO_ROUTE
        self._put = Copies(tuple(attempts)) if attempts else NO_ROUTE
