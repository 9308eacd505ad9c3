"""Lists, whole or in pieces: all pieces of one list show the objects as they were when the first piece was read."""

from __future__ import annotations

import base64
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from kube_devserver import api_errors
from kube_devserver.api_errors import bad_request, too_large_version
from kube_devserver.objects.kinds import Body, Kind
from kube_devserver.objects.selectors import Selection
from kube_devserver.storage.store import Entry, Store

EXACT, NOT_OLDER = "Exact", "NotOlderThan"  # of resourceVersionMatch
SNAPSHOTS = 32  # lists that are read in pieces at one time
SNAPSHOT_S = 300.0  # as long as Kubernetes' etcd keeps old versions


@dataclass(frozen=True)
class ListQuery:
    """The options of a list.

    Args:
        version: the resourceVersion; None if the client names none.
        match: resourceVersionMatch.
        limit: objects of one piece; 0 for all.
        token: of the next piece; empty for the first.
        selectors: texts of the label and the field selector.
    """

    version: int | None = None
    match: str = ""
    limit: int = 0
    token: str = ""
    selectors: tuple[str, str] = ("", "")


@dataclass(frozen=True)
class _Snapshot:
    """A list whose first piece was read.

    Args:
        of: the kind, the namespace and the selectors of the list.
        entries: all of its objects.
        until_s: when it is dropped.
    """

    of: tuple[str, ...]
    entries: list[Entry]
    until_s: float


class Lists:
    """The lists of a store. A list in pieces is kept until its last piece was read, or for five minutes.

    Args:
        store: the objects.
        clock: seconds since any moment.
    """

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self._store, self._clock = store, clock
        self._snapshots: dict[str, _Snapshot] = {}
        self._random = random.Random()  # of tokens

    def page(self, query: ListQuery, kind: Kind, selection: Selection) -> tuple[list[Entry], Body]:
        """The objects of a list, or of one piece of it, and the list's metadata.

        Raises:
            StatusError: 400, a token is not valid; 410, the version or the list is not kept any more; 504, the
                version does not exist yet.
        """
        if query.token and query.version:
            raise bad_request("specifying resource version is not allowed when using continue")
        if query.version and query.version > self._store.revision:
            raise too_large_version(query.version, self._store.revision)
        limit = max(0, query.limit)
        if query.version == 0 and not query.token:  # any version will do, and Kubernetes then sends the whole list
            limit = 0
        self._expire()
        of = (*kind, selection.namespace, *query.selectors)
        if query.token:
            name, entries, at = self._resume(query.token, of)
        else:
            name, entries, at = *self._begin(query, kind, selection), 0
        metadata: Body = {"resourceVersion": name.partition(".")[0]}
        self._snapshots.pop(name, None)
        if not limit or at + limit >= len(entries):
            return entries[at:], metadata
        self._snapshots[name] = _Snapshot(of, entries, self._clock() + SNAPSHOT_S)
        while len(self._snapshots) > SNAPSHOTS:
            del self._snapshots[next(iter(self._snapshots))]
        metadata["continue"] = base64.urlsafe_b64encode(f"{name}/{at + limit}".encode()).decode()
        if selection.test is None:
            metadata["remainingItemCount"] = len(entries) - at - limit
        return entries[at : at + limit], metadata

    def _begin(self, query: ListQuery, kind: Kind, selection: Selection) -> tuple[str, list[Entry]]:
        # The first piece of a list is of the very version that the client names; only the present one can be listed.
        is_exact = query.match == EXACT or (query.limit > 0 and not query.match)
        if query.version and is_exact and query.version != self._store.revision:
            raise api_errors.expired(f"The resourceVersion for the provided list is too old: {query.version}")
        everything = self._store.entries(kind, selection.namespace)
        entries = [entry for entry in everything if selection.test is None or selection.test(entry.body)]
        return f"{self._store.revision}.{self._random.getrandbits(48):x}", entries

    def _expire(self) -> None:
        now_s = self._clock()
        for name in [name for name, snapshot in self._snapshots.items() if snapshot.until_s <= now_s]:
            del self._snapshots[name]

    def _resume(self, token: str, of: tuple[str, ...]) -> tuple[str, list[Entry], int]:
        try:
            name, _, at = base64.urlsafe_b64decode(token).decode().partition("/")
            number = int(at)
        except (ValueError, UnicodeDecodeError) as error:
            raise bad_request(f"invalid continue token: continue key is not valid: {error}") from error
        snapshot = self._snapshots.get(name)
        if snapshot is None or number < 0:
            raise api_errors.expired(
                "The provided continue parameter is too old to display a consistent list result. You must start a new"
                " list without the continue parameter."
            )
        if snapshot.of != of:
            raise bad_request("invalid continue token: it continues a list of another resource, namespace or selector")
        return name, snapshot.entries, number
