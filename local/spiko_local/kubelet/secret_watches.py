"""Watches Secrets by name, each only while a pod needs it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import quote

from spiko_local.api_client import ApiClient
from spiko_local.kubelet.list_watch import list_and_watch
from spiko_local.objects import Object

SecretListener = Callable[[Object | None], None]


@dataclass(eq=False)
class _Watch:
    """One Secret that pods need; None while it does not exist. `known` is False before the first list."""

    listeners: list[SecretListener] = field(default_factory=list)
    secret: Object | None = None
    known: bool = False
    task: asyncio.Task[None] | None = None

    def set(self, secret: Object | None) -> None:
        """Take the newest version and pass it to all listeners."""
        if self.known and _version(secret) == _version(self.secret):
            return
        self.secret, self.known = secret, True
        for listener in tuple(self.listeners):
            listener(secret)


class SecretWatches:
    """All Secrets that the pods of a kubelet need.

    Args:
        api: an open client.
    """

    def __init__(self, api: ApiClient) -> None:
        self._api = api
        self._watches: dict[tuple[str, str], _Watch] = {}

    def follow(self, namespace: str, name: str, listener: SecretListener) -> Callable[[], None]:
        """Pass a Secret to a listener, now if it is known, and whenever it changes.

        Args:
            namespace: of the Secret.
            name: of the Secret.
            listener: called with the Secret, or None if it does not exist; it must not raise.

        Returns:
            Ends this. The last listener of a Secret ends its watch.
        """
        key = (namespace, name)
        watch = self._watches.get(key)
        if watch is None:
            watch = self._watches[key] = _Watch()
            watch.task = asyncio.create_task(self._watch(key, watch))
        watch.listeners.append(listener)
        if watch.known:
            listener(watch.secret)

        def end() -> None:
            watch.listeners.remove(listener)
            if not watch.listeners and watch.task is not None:
                watch.task.cancel()
                del self._watches[key]

        return end

    async def _watch(self, key: tuple[str, str], watch: _Watch) -> None:
        namespace, name = key
        selector = quote(f"metadata.name={name}", safe="")
        path = f"/api/v1/namespaces/{namespace}/secrets?fieldSelector={selector}"
        await list_and_watch(
            self._api,
            path,
            lambda items: watch.set(items[0] if items else None),
            lambda event: watch.set(None if event["type"] == "DELETED" else event["object"]),
        )


def _version(secret: Object | None) -> str:
    return "" if secret is None else str(secret["metadata"]["resourceVersion"])
