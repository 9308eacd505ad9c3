"""Objects by their namespace, their controller and their labels, so that no controller reads a thousand to find three."""

from __future__ import annotations

from collections.abc import Iterable

from kube_devserver.storage.store import Body, Event, Kind, Store
from kube_devserver.storage.watch_cache import DELETED

Name = tuple[str, str]  # namespace and name
Names = dict[Name, None]


class Index:
    """Some kinds of a store's objects. Its events are heard before the controllers are told of them.

    Args:
        store: with the objects.
        kinds: that are indexed.
    """

    def __init__(self, store: Store, kinds: Iterable[Kind]) -> None:
        self._store, self._kinds = store, frozenset(kinds)
        self._by: dict[tuple[Kind, str, str], Names] = {}

    def start(self) -> None:
        """Read what is there."""
        self._by.clear()
        for kind in self._kinds:
            for entry in self._store.each(kind):
                self._move(kind, None, entry.body)

    def hear(self, event: Event) -> None:
        """Follow a change."""
        if event.kind in self._kinds:
            before = event.before.body if event.before is not None else None
            self._move(event.kind, before, None if event.type == DELETED else event.entry.body)

    def _move(self, kind: Kind, before: Body | None, after: Body | None) -> None:
        old, new = _places(before), _places(after)
        body = after or before
        assert body is not None
        name = (body["metadata"].get("namespace", ""), body["metadata"]["name"])
        for place in old - new:
            names = self._by[kind, *place]
            del names[name]
            if not names:
                del self._by[kind, *place]
        for place in new - old:
            self._by.setdefault((kind, *place), {})[name] = None

    # ------------------------------------------------------------------ reading

    def controlled(self, kind: Kind, owner: Body) -> list[Body]:
        """Objects whose controller is this one, in the order of their coming."""
        return self._bodies(kind, self._by.get((kind, "owner", owner["metadata"]["uid"]), {}))

    def loose(self, kind: Kind, namespace: str) -> list[Body]:
        """Objects of a namespace that have no controller."""
        return self._bodies(kind, self._by.get((kind, "loose", namespace), {}))

    def among(self, kind: Kind, namespace: str, selector: Body | None = None) -> list[Body]:
        """Objects of a namespace among which are all that a selector matches; all without one."""
        labels = (selector or {}).get("matchLabels") or {}
        sets = [self._by.get((kind, "label", f"{namespace}/{key}={value}"), {}) for key, value in labels.items()]
        return self._bodies(kind, min(sets, key=len) if sets else self._by.get((kind, "all", namespace), {}))

    def _bodies(self, kind: Kind, names: Names) -> list[Body]:
        found = (self._store.get(kind, *name) for name in names)
        return [entry.body for entry in found if entry is not None]


def _places(body: Body | None) -> set[tuple[str, str]]:
    """Where an object is found."""
    if body is None:
        return set()
    metadata = body["metadata"]
    namespace = metadata.get("namespace", "")
    owner = next((o["uid"] for o in metadata.get("ownerReferences") or () if o.get("controller")), None)
    labels = {("label", f"{namespace}/{key}={value}") for key, value in (metadata.get("labels") or {}).items()}
    return {("all", namespace), ("loose", namespace) if owner is None else ("owner", owner), *labels}
