"""What the operator has seen: objects by kind, namespace and name, fed by events and checked against full lists.

kopf delivers no DELETED for an object that vanished while a watch was broken, so events alone are not believed: `compare` puts a full list
beside the cache and tells what differed. The list is of one version, and events go on while it travels: what is newer than it is not missing
from it, and what is known to be deleted does not come back by it.
"""

from __future__ import annotations

from collections.abc import Iterable

from spiko_operator.plan import names
from spiko_operator.plan.objects import Object

Key = tuple[str, str, str]  # kind, namespace, name


class Cache:
    """Objects by key. Older versions of an object never replace newer ones."""

    def __init__(self) -> None:
        self._objects: dict[Key, Object] = {}
        self._labelled: dict[tuple[str, str], dict[Key, None]] = {}  # a round asks for one architecture of many
        self._deleted: dict[tuple[str, str], int] = {}  # kind and UID -> version of the deletion, until a list is newer
        self.divergences = 0

    def put(self, kind: str, body: Object) -> None:
        """Take an object as it was read or delivered."""
        key = _key(kind, body)
        before = self._objects.get(key)
        if self._is_gone(kind, body):
            return  # an answer that was overtaken
        if before is None or _is_newer(body, before):
            body["metadata"].pop("managedFields", None)
            self._remove(key)
            self._objects[key] = body
            self._labelled.setdefault((key[1], architecture_of(body) or ""), {})[key] = None

    def drop(self, kind: str, body: Object) -> None:
        """An object was deleted; another with its name, made since, stays."""
        key = _key(kind, body)
        before = self._objects.get(key)
        self._deleted[kind, body["metadata"]["uid"]] = _version(body)
        if before is not None and before["metadata"]["uid"] == body["metadata"]["uid"]:
            self._remove(key)

    def get(self, kind: str, namespace: str, name: str) -> Object | None:
        """One object, or None."""
        return self._objects.get((kind, namespace, name))

    def all(self, kind: str) -> list[Object]:
        """All objects of a kind."""
        return [body for (k, _, _), body in self._objects.items() if k == kind]

    def of_architecture(self, namespace: str, architecture: str, kinds: Iterable[str]) -> dict[tuple[str, str], Object]:
        """Objects labelled with an architecture's name, by kind and name."""
        wanted = frozenset(kinds)
        keys = self._labelled.get((namespace, architecture), ())
        return {(key[0], key[2]): self._objects[key] for key in keys if key[0] in wanted}

    def compare(self, kind: str, listed: list[Object], version: str, namespace: str | None = None) -> list[Object]:
        """Make the cache of one kind equal to a full list, but for what is newer.

        Args:
            kind: of all objects.
            listed: the list.
            version: its resourceVersion.
            namespace: what the list is of; None for all.

        Returns:
            What differed, as it was or as it is.
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
        self.divergences += len(differing)
        return differing

    def _is_gone(self, kind: str, body: Object) -> bool:
        """Whether it was gone after this version of it; of one that has lost its label and got it again later versions come."""
        return self._deleted.get((kind, body["metadata"]["uid"]), -1) >= _version(body)

    def _remove(self, key: Key) -> None:
        body = self._objects.pop(key, None)
        if body is None:
            return
        group = key[1], architecture_of(body) or ""
        self._labelled[group].pop(key, None)
        if not self._labelled[group]:
            del self._labelled[group]


def architecture_of(body: Object) -> str | None:
    """The architecture's name on an object's label."""
    label: str | None = (body["metadata"].get("labels") or {}).get(names.ARCHITECTURE)
    return label


def _key(kind: str, body: Object) -> Key:
    return kind, body["metadata"].get("namespace", ""), body["metadata"]["name"]


def _is_newer(body: Object, before: Object) -> bool:
    return _version(body) > _version(before)


def _version(body: Object) -> int:
    return _number(body["metadata"].get("resourceVersion", ""))


def _number(version: str) -> int:
    """Resource versions are ordered numbers since Kubernetes 1.35 (KEP-5504); before they were in fact."""
    return int(version) if version.isdigit() else 0
