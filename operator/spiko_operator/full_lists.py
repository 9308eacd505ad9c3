"""Compares the cache with full lists of all watched objects, and keeps the namespaces that may be listed.

A namespace is open once all kinds were listed in it; the operator works in open namespaces only. One without
the permissions is reported once, and tried again; the others are not affected.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping

from spiko_operator.backoff import Backoff
from spiko_operator.cluster.cache import Cache
from spiko_operator.cluster.client import Client
from spiko_operator.cluster.resources import RESOURCES
from spiko_operator.errors import Forbidden
from spiko_operator.plan import names
from spiko_operator.plan.objects import Object
from spiko_operator.settings import Settings

# Kind -> label selector. Full lists are in this order: owners before the objects that they own.
WATCHED: Mapping[str, str] = {
    "Architecture": "",
    "Fault": "",
    "ConfigMap": names.ARCHITECTURE,
    "Deployment": names.ARCHITECTURE,
    "Service": names.ARCHITECTURE,
    "PodDisruptionBudget": names.ARCHITECTURE,
    "Pod": f"{names.TIER}={names.EUREKA}",
}
# Only with SPIKO_NETWORK_POLICIES: without it, the operator needs no permission for these.
WATCHED_POLICIES: Mapping[str, str] = {"NetworkPolicy": names.ARCHITECTURE}
FIRST_RETRY_S, LONGEST_RETRY_S = 1.0, 15.0
log = logging.getLogger("spiko.operator")


class _Forbidden:
    """A namespace without the permissions, and the time of the next attempt, monotonic seconds."""

    def __init__(self) -> None:
        self.backoff = Backoff(FIRST_RETRY_S, LONGEST_RETRY_S)
        self.retry_at_s = 0.0


class FullLists:
    """The full lists of one operator.

    Args:
        client: of the API server.
        cache: is compared with the lists.
        settings: with the namespaces to list; if there are none, all are one list of each kind.
        changed: called with the kind and each object of an open namespace that differed.
        opened: called with a namespace once all its objects are in the cache; None for all namespaces.
        closed: called with an open namespace that may not be listed any more.

    Attributes:
        kinds: of the objects that are listed, with the label selector of each.
        listed_at_s: when the last full list ended, monotonic seconds.
    """

    def __init__(
        self,
        client: Client,
        cache: Cache,
        settings: Settings,
        changed: Callable[[str, Object], None],
        opened: Callable[[str | None], None],
        closed: Callable[[str | None], None],
    ) -> None:
        self._client, self._cache = client, cache
        self._changed, self._opened, self._closed = changed, opened, closed
        self._namespaces: tuple[str | None, ...] = settings.namespaces or (None,)
        self.kinds = {**WATCHED, **(WATCHED_POLICIES if settings.policies else {})}
        self._open: set[str | None] = set()
        self._forbidden: dict[str | None, _Forbidden] = {}
        self.listed_at_s = time.monotonic()

    def is_open(self, namespace: str) -> bool:
        """Return whether the operator may work in a namespace."""
        return namespace in self._open or None in self._open

    async def run(self) -> None:
        """List all objects of all namespaces, except of those without the permissions.

        Raises:
            ClusterError: the API server does not answer, or with another error.
        """
        for namespace in self._namespaces:
            await self._list(namespace)
        self.listed_at_s = time.monotonic()

    async def retry_forbidden(self) -> None:
        """List the objects of the namespaces without the permissions that are due.

        Raises:
            ClusterError: as `run`.
        """
        now_s = time.monotonic()
        for namespace in [n for n, found in self._forbidden.items() if found.retry_at_s <= now_s]:
            await self._list(namespace)

    async def _list(self, namespace: str | None) -> None:
        """List one namespace, or all with None."""
        is_open = namespace in self._open
        for kind, labels in self.kinds.items():
            try:
                snapshot = await self._client.snapshot(kind, namespace, labels)
            except Forbidden as error:
                self._close(namespace, kind, error)
                return
            for body in snapshot.items:
                add_type(kind, body)
            for body in self._cache.compare(kind, snapshot.items, snapshot.version, namespace):
                if is_open:
                    self._changed(kind, body)
        if is_open:
            return
        self._open.add(namespace)
        if self._forbidden.pop(namespace, None) is not None:
            log.info("%s: the permissions exist now", _title(namespace))
        self._opened(namespace)

    def _close(self, namespace: str | None, kind: str, error: Forbidden) -> None:
        """Stop to work in a namespace; report it once."""
        if namespace in self._open:
            self._open.discard(namespace)
            self._closed(namespace)
        if namespace not in self._forbidden:
            self._forbidden[namespace] = _Forbidden()
            remedy = "bind the operator's ClusterRole to its service account, or set SPIKO_NAMESPACES"
            if namespace is not None:
                remedy = "bind the operator's Role there, or remove the namespace from SPIKO_NAMESPACES"
            log.warning(
                "%s: no permission to list %s, nothing is reconciled there: %s; retrying: %s",
                *(_title(namespace), RESOURCES[kind].plural, remedy, error.message),
            )
        found = self._forbidden[namespace]
        found.retry_at_s = time.monotonic() + found.backoff.next_s()


def add_type(kind: str, body: Object) -> None:
    """Add kind and apiVersion, which the items of a list do not have."""
    body.setdefault("kind", kind)
    body.setdefault("apiVersion", RESOURCES[kind].api_version)


def _title(namespace: str | None) -> str:
    return "all namespaces" if namespace is None else f"namespace {namespace!r}"
