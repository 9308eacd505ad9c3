"""Pure: staash, the data access layer: asks the kinds of storage that it is connected to, one random instance of each.

A GET tries the kinds in Spigo's order until a value comes back; a miss or a failure means the next kind. A PUT is a copy to one instance of
each. On a volume every instance has a namespace of its own, `<instance name>/`, so a key is written and read as `mysql00/key`.

Spigo lost every miss, read volumes without the namespace and did not know riak: all three are as was meant there. One thing is not as there:
an instance never asks its own tier, which would pass a miss, and every write, round and round.
Source: spigo actors/staash.
"""

from __future__ import annotations

from urllib.parse import quote

from spiko_nanoservice.contract import PACKAGES, StorageKind
from spiko_nanoservice.roles import KEY, NO_ROUTE, Answer, Attempt, Copies, InOrder, Self, Step, Until
from spiko_nanoservice.routing.table import Group, Routes

_PACKAGES_OF = {
    kind: frozenset(package for package, traits in PACKAGES.items() if traits.storage is kind) for kind in StorageKind
}


class Staash:
    """Keeps nothing but what to do, which changes with the table only."""

    def __init__(self) -> None:
        self._get: Step = NO_ROUTE
        self._put: Step = NO_ROUTE

    def get(self, key: bytes) -> Step:
        """One kind after the other."""
        return self._get

    def put(self, key: bytes, value: bytes, written_us: int) -> Step:
        """A copy to each kind."""
        return self._put

    def replicate(self, key: bytes, value: bytes, written_us: int) -> Step:
        """A staash holds no data: whoever replicates to it has a wrong table."""
        return Answer(400, b"a staash keeps no data\n")

    def learn(self, routes: Routes, who: Self) -> None:
        """Prepare the attempts: one for every kind that is connected."""
        attempts = []
        for kind, packages in _PACKAGES_OF.items():
            group: Group = routes.group(packages, without=who.space.tier if kind is StorageKind.STAASH else "")
            if group:
                namespace = quote(f"{who.name}/", safe="").encode() if kind is StorageKind.VOLUME else b""
                attempts.append(Attempt(group, KEY + namespace))
        self._get = InOrder(tuple(attempts), Until.FOUND) if attempts else NO_ROUTE
        self._put = Copies(tuple(attempts)) if attempts else NO_ROUTE
