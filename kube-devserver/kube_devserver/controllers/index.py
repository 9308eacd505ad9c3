"""An index of objects by namespace, controller and labels, so that no controller reads a thousand to find
three.
"""

from __future__ import annotations

from collections.abc import Iterable

from kube_devserver.objects.conditions import labels_of, owner_of
from kube_devserver.objects.kinds import Body, Kind
from kube_devserver.objects.selectors import matches_selector
from kube_devserver.storage.store import Event, Store
from kube_devserver.storage.watch_cache import DELETED

Name = tuple[str, str]  # namespace and name
Names = dict[Name, None]


class Index:
    """Indexes some kinds of a store's objects. It handles an event before the controllers get it.

    Args:
        store: the objects.
        kinds: that are indexed.
    """

    def __init__(self, store: Store, kinds: Iterable[Kind]) -> None:
        self._store, self._kinds = store, frozenset(kinds)
        self._by: dict[tuple[Kind, str, str], Names] = {}

    def start(self) -> None:
        """Index the objects that exist."""
        self._by.clear()
        for kind in self._kinds:
            for entry in self._store.each(kind):
                self._move(kind, None, entry.body)

    def handle(self, event: Event) -> None:
        """Update the index after a change."""
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

    def controlled(self, kind: Kind, owner: Body) -> list[Body]:
        """The objects whose controller is `owner`, in the order in which they were indexed."""
        return self._bodies(kind, self._by.get((kind, "owner", owner["metadata"]["uid"]), {}))

    def unowned(self, kind: Kind, namespace: str, selector: Body | None) -> list[Body]:
        """Objects of a namespace without a controller that include all that a selector matches."""
        return self._bodies(kind, self._smallest(kind, "unowned", namespace, selector))

    def candidates(self, kind: Kind, namespace: str, selector: Body | None) -> list[Body]:
        """Objects of a namespace that include all that a selector matches."""
        return self._bodies(kind, self._smallest(kind, "all", namespace, selector))

    def _smallest(self, kind: Kind, among: str, namespace: str, selector: Body | None) -> Names:
        """The names with the rarest label that a selector demands; all names if it demands none."""
        labels = (selector or {}).get("matchLabels") or {}
        sets = [self._by.get((kind, among, f"{namespace}/{k}={v}"), {}) for k, v in labels.items()]
        return min(sets, key=len) if sets else self._by.get((kind, among, namespace), {})

    def _bodies(self, kind: Kind, names: Names) -> list[Body]:
        found = (self._store.get(kind, *name) for name in names)
        return [entry.body for entry in found if entry is not None]


def _places(body: Body | None) -> set[tuple[str, str]]:
    """The keys under which an object is indexed."""
    if body is None:
        return set()
    namespace, owner = body["metadata"].get("namespace", ""), owner_of(body)
    labels = [f"{namespace}/{key}={value}" for key, value in labels_of(body).items()]
    found = {("all", each) for each in (namespace, *labels)}
    if owner is not None:
        return found | {("owner", owner["uid"])}
    return found | {("unowned", each) for each in (namespace, *labels)}


class SelectorIndex:
    """Names of objects that select others, by a label that they demand: the reverse of `Index.candidates`."""

    def __init__(self) -> None:
        self._by: dict[tuple[str, str, str], Names] = {}
        self._places: dict[Name, tuple[str, str, str]] = {}
        self._selectors: dict[Name, Body | None] = {}

    def handle(self, event: Event) -> Name:
        """Update the index after a change of an object with `spec.selector`, and return the object's name."""
        body = event.entry.body
        name = (event.namespace, body["metadata"]["name"])
        if event.type == DELETED:
            self.remove(name)
        else:
            self.put(name, body["spec"].get("selector"))
        return name

    def put(self, name: Name, selector: Body | None) -> None:
        """Add an object's selector, or replace it."""
        if name in self._places and self._selectors[name] == selector:
            return
        self.remove(name)
        self._selectors[name] = selector
        labels = (selector or {}).get("matchLabels") or {}
        places = [(name[0], key, value) for key, value in labels.items()] or [(name[0], "", "")]
        # The label that the fewest others demand tells objects apart best.
        place = min(places, key=lambda each: len(self._by.get(each, ())))
        self._places[name] = place
        self._by.setdefault(place, {})[name] = None

    def remove(self, name: Name) -> None:
        """Remove an object's selector if it has one."""
        place = self._places.pop(name, None)
        if place is not None:
            del self._selectors[name]
            del self._by[place][name]
            if not self._by[place]:
                del self._by[place]

    def selecting(self, namespace: str, labels: dict[str, str]) -> list[Name]:
        """Names of the objects whose selector matches some labels."""
        found: Names = dict(self._by.get((namespace, "", ""), {}))
        for key, value in labels.items():
            found |= self._by.get((namespace, key, value), {})
        return [name for name in found if matches_selector(self._selectors[name], labels)]
