"""The observed objects by kind, namespace and name, updated by watch events and checked against full lists.

kopf delivers no DELETED event for an object that was deleted while its watch was broken. Therefore `compare`
compares the cache with a full list and returns the differences. Events may arrive while the list is read:
objects that are newer than the list are kept although the list does not have them, and objects that were
deleted meanwhile are not added again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from spiko_operator.plan import names
from spiko_operator.plan.objects import Object, labels_of

CacheKey = tuple[str, str, str]  # kind, namespace, name


class Cache:
    """Objects by key. An older version of an object never replaces a newer one."""

    def __init__(self) -> None:
        self._objects: dict[CacheKey, Object] = {}
        # Keys by namespace and architecture: a reconcile pass reads one architecture of many.
        self._labeled: dict[tuple[str, str], dict[CacheKey, None]] = {}
        # Kind and UID -> version of the deletion; removed once a list is newer.
        self._deleted: dict[tuple[str, str], int] = {}
        self.divergences: Counter[str] = Counter()  # by kind

    def put(self, kind: str, body: Object) -> None:
        """Add or update an object, unless the cache has a newer version of it."""
        key = _key(kind, body)
        before = self._objects.get(key)
        if self._is_gone(kind, body):
            return  # the deletion was delivered before this response
        if before is None or _is_newer(body, before):
            _shorten_managers(body)
            self._remove(key)
            self._objects[key] = body
            self._labeled.setdefault((key[1], architecture_of(body) or ""), {})[key] = None

    def drop(self, kind: str, body: Object) -> None:
        """Remove a deleted object; a newer object of the same name is kept."""
        key = _key(kind, body)
        before = self._objects.get(key)
        self._deleted[kind, body["metadata"]["uid"]] = _version(body)
        if before is not None and before["metadata"]["uid"] == body["metadata"]["uid"]:
            self._remove(key)

    def forget_deletions(self) -> None:
        """Forget which objects were deleted: only lists that travel meanwhile need that."""
        self._deleted.clear()

    def get(self, kind: str, namespace: str, name: str) -> Object | None:
        """Return one object, or None."""
        return self._objects.get((kind, namespace, name))

    def all(self, kind: str) -> list[Object]:
        """Return all objects of a kind."""
        return [body for (k, _, _), body in self._objects.items() if k == kind]

    def count(self) -> Counter[str]:
        """Return the number of objects by kind."""
        return Counter(kind for kind, _, _ in self._objects)

    def of_architecture(
        self, namespace: str, architecture: str, kinds: Iterable[str]
    ) -> dict[tuple[str, str], Object]:
        """Return the objects labeled with an architecture's name, by kind and name."""
        wanted = frozenset(kinds)
        keys = self._labeled.get((namespace, architecture), ())
        return {(key[0], key[2]): self._objects[key] for key in keys if key[0] in wanted}

    def compare(
        self, kind: str, listed: list[Object], version: str, namespace: str | None = None
    ) -> list[Object]:
        """Make the cache of one kind equal to a full list, except for newer objects.

        Args:
            kind: of the objects.
            listed: the objects of the list.
            version: resourceVersion of the list.
            namespace: of the list; None for all namespaces.

        Returns:
            The objects that differed: removed ones as they were, others as they are now.
        """
        limit = _number(version)
        present = {_key(kind, body): body for body in listed if not self._is_gone(kind, body)}
        differing: list[Object] = []
        for key, body in list(self._objects.items()):
            if key[0] != kind or (namespace is not None and key[1] != namespace) or _version(body) > limit:
                continue
            if key not in present or present[key]["metadata"]["uid"] != body["metadata"]["uid"]:
                differing.append(body)
                self._remove(key)
        for key, body in present.items():
            before = self._objects.get(key)
            if before is None or _is_newer(body, before):
                differing.append(body)
                self.put(kind, body)
        self._deleted = {key: at for key, at in self._deleted.items() if key[0] != kind or at > limit}
        self.divergences[kind] += len(differing)
        return differing

    def _is_gone(self, kind: str, body: Object) -> bool:
        """Whether the object was deleted at this version or later.

        An object that loses the watched label counts as deleted; it has newer versions if it gets the label
        again.
        """
        return self._deleted.get((kind, body["metadata"]["uid"]), -1) >= _version(body)

    def _remove(self, key: CacheKey) -> None:
        body = self._objects.pop(key, None)
        if body is None:
            return
        group = key[1], architecture_of(body) or ""
        self._labeled[group].pop(key, None)
        if not self._labeled[group]:
            del self._labeled[group]


def _shorten_managers(body: Object) -> None:
    """Keep the names of the field managers only: their fields are larger than the rest of the object."""
    managers = {entry.get("manager", "") for entry in body["metadata"].pop("managedFields", None) or ()}
    if managers:
        body["metadata"]["managedFields"] = [{"manager": manager} for manager in sorted(managers)]


def architecture_of(body: Object) -> str | None:
    """Return the name of the architecture in an object's labels, or None."""
    return labels_of(body).get(names.ARCHITECTURE)


def _key(kind: str, body: Object) -> CacheKey:
    return kind, body["metadata"].get("namespace", ""), body["metadata"]["name"]


def _is_newer(body: Object, before: Object) -> bool:
    return _version(body) > _version(before)


def _version(body: Object) -> int:
    return _number(body["metadata"].get("resourceVersion", ""))


def _number(version: str) -> int:
    """Return a resourceVersion as a number: versions are comparable since Kubernetes 1.35 (KEP-5504)."""
    return int(version) if version.isdigit() else 0
