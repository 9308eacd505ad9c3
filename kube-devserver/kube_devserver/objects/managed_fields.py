"""Field management: `metadata.managedFields` kept through every write, and server-side apply itself.

After k8s.io/apimachinery's managedfields package: each manager, per operation, version and subresource, has
the set of fields that it last set. An update takes the fields that it changes from all managers. An apply
that would change a field of another manager is a conflict.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import Any

from kube_devserver.api_errors import StatusError, apply_conflict, bad_request
from kube_devserver.objects import field_sets as f
from kube_devserver.objects.field_sets import Fields, Path
from kube_devserver.objects.schema import Node

APPLY, UPDATE = "Apply", "Update"
ANCIENT, FIRST = "ancient-changes", "before-first-apply"
MOST_UPDATERS = 10
_STRIPPED: frozenset[Path] = frozenset(
    {("f:apiVersion",), ("f:kind",), ("f:metadata",)}
    | {
        ("f:metadata", f"f:{name}")
        for name in ("name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName", "generation",
                     "managedFields", "resourceVersion")
    }
)  # fmt: skip
_UNTRACKED = ("managedFields",)


@dataclass(frozen=True)
class Manager:
    """One entry of managedFields."""

    name: str
    operation: str
    version: str
    subresource: str
    time: str
    fields: Fields

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """The properties by which entries differ."""
        return (self.name, self.operation, self.version if self.operation == UPDATE else "", self.subresource)

    def encode(self) -> dict[str, Any]:
        """The entry as metadata has it."""
        found = {
            "manager": self.name, "operation": self.operation, "apiVersion": self.version,
            "fieldsType": "FieldsV1", "fieldsV1": f.encode(self.fields),
        }  # fmt: skip
        if self.time:
            found["time"] = self.time
        return found | ({"subresource": self.subresource} if self.subresource else {})


def read_managers(body: dict[str, Any]) -> list[Manager]:
    """The entries of an object.

    Raises:
        StatusError: 400, an entry cannot be decoded.
    """
    found = []
    for entry in body.get("metadata", {}).get("managedFields") or ():
        try:
            if entry.get("operation") not in (APPLY, UPDATE):
                raise ValueError(f"operation is `{entry.get('operation', '')}`")
            found.append(Manager(
                entry.get("manager", ""), entry["operation"], entry.get("apiVersion", ""),
                entry.get("subresource", ""),
                entry.get("time", ""), f.read(entry.get("fieldsV1") or {}),
            ))  # fmt: skip
        except (AttributeError, TypeError, ValueError) as error:
            raise bad_request(f"metadata.managedFields: {error}") from error
    return found


def write_managers(body: dict[str, Any], managers: list[Manager]) -> dict[str, Any]:
    """The object with these entries in its metadata."""
    kept = sorted(
        (m for m in managers if m.fields),
        key=lambda m: (m.operation, m.time, m.name, m.version, m.subresource),
    )
    metadata = {key: value for key, value in body.get("metadata", {}).items() if key != "managedFields"}
    if kept:
        metadata["managedFields"] = [manager.encode() for manager in kept]
    return body | {"metadata": metadata}


def timeless(body: dict[str, Any]) -> dict[str, Any]:
    """An object without the times of its entries."""
    metadata = body["metadata"]
    entries = [{k: v for k, v in e.items() if k != "time"} for e in metadata.get("managedFields") or ()]
    return body | {"metadata": metadata | {"managedFields": entries}}


@dataclass(frozen=True)
class Writer:
    """The manager of a write.

    Args:
        name: of the manager.
        version: apiVersion of the object.
        subresource: that is written; empty for the object.
        now: RFC 3339.
        reset: fields that the endpoint ignores.
        only_own: whether the fields of other versions cannot be converted: as in Kubernetes, their owners are
            dropped.
    """

    name: str
    version: str
    subresource: str
    now: str
    reset: tuple[Path, ...] = ()
    only_own: bool = False

    def known(self, entries: list[Manager]) -> list[Manager]:
        """The entries whose fields can be converted."""
        return [each for each in entries if each.version == self.version] if self.only_own else entries


def track_update(
    node: Node, live: dict[str, Any] | None, new: dict[str, Any], writer: Writer
) -> dict[str, Any]:
    """The object with the entries after a create, an update or a patch."""
    given = new.get("metadata", {}).get("managedFields")
    base = _base(live, new, given, writer)
    if live is not None and not base:
        return write_managers(new, [])  # tracking is off until the next apply
    before = _untracked(live) if live is not None else _empty(node)
    touched, removed = f.changed(node, before, _untracked(new))
    touched, removed = _tracked(touched, writer), _tracked(removed, writer)
    own = Manager(writer.name, UPDATE, writer.version, writer.subresource, writer.now, touched)
    found = [_keep(manager, touched | removed) for manager in writer.known(base)]
    if touched:
        own_before = next((m.fields for m in found if m.identity == own.identity), f.NOTHING)
        found = [manager for manager in found if manager.identity != own.identity]
        found.append(replace(own, fields=touched | own_before))
    return write_managers(new, _cap(found))


def _empty(node: Node) -> dict[str, Any]:
    """An object before its create: a built-in kind has the structs that Go always writes."""
    return {} if node.custom else node.empty | {"metadata": {}}


def _base(live: dict[str, Any] | None, new: dict[str, Any], given: Any, writer: Writer) -> list[Manager]:
    """The entries to start from: those of the request if they can be decoded, else the object's own."""
    if given is not None and not writer.subresource:
        if given in ([], [{}]):
            return []  # the request resets them
        with contextlib.suppress(StatusError):
            if found := read_managers(new):
                return found
    try:
        return read_managers(live) if live is not None else []
    except StatusError:
        return []


def _keep(manager: Manager, taken: Fields) -> Manager:
    left = manager.fields - taken
    return manager if left == manager.fields else replace(manager, fields=left)


def _tracked(fields: Fields, writer: Writer) -> Fields:
    kept = fields - _STRIPPED
    if writer.reset:
        kept -= f.under(kept, writer.reset)
    return kept


def _untracked(body: dict[str, Any]) -> dict[str, Any]:
    metadata = {key: value for key, value in body.get("metadata", {}).items() if key not in _UNTRACKED}
    return body | {"metadata": metadata}


def _cap(managers: list[Manager]) -> list[Manager]:
    """The entries with at most ten updates: the oldest are merged into one."""
    updaters = [m for m in managers if m.operation == UPDATE and m.fields]
    updaters.sort(key=lambda m: (m.time, m.name))
    if len(updaters) <= MOST_UPDATERS:
        return managers
    spare = updaters[: len(updaters) - MOST_UPDATERS + 1]
    merged: dict[str, Manager] = {}
    for manager in spare:
        before = merged.get(manager.version)
        fields = manager.fields | (before.fields if before else f.NOTHING)
        merged[manager.version] = Manager(ANCIENT, UPDATE, manager.version, "", manager.time, fields)
    return [m for m in managers if m not in spare] + list(merged.values())


def apply(
    node: Node, live: dict[str, Any], config: dict[str, Any], writer: Writer, force: bool
) -> tuple[dict[str, Any], list[Manager]]:
    """Server-side apply.

    Args:
        node: the kind's schema.
        live: the stored object; an empty one for a create.
        config: the whole configuration.
        writer: the manager that applies it.
        force: whether to take fields that other managers own.

    Returns:
        The merged object without entries, and its new entries.

    Raises:
        StatusError: 409, other managers own fields that would change.
    """
    managers = _managers_before(node, live, writer)
    base, config = _untracked(live), _untracked(config)
    wanted = _tracked(f.field_set(node, config), writer)
    own = Manager(writer.name, APPLY, writer.version, writer.subresource, writer.now, wanted)
    last = next((m for m in managers if m.identity == own.identity), None)
    others = [m for m in managers if m.identity != own.identity]
    merged = f.merge(node, base, config)
    if last is not None:
        held = f.closed(node, wanted).union(*(f.closed(node, manager.fields) for manager in others))
        merged = f.remove(node, merged, f.closed(node, last.fields) - held - _STRIPPED)
    touched, removed = f.changed(node, base, merged)
    touched, removed = touched - _STRIPPED, removed - _STRIPPED
    conflicts = [(manager, manager.fields & touched) for manager in others]
    if not force and any(fields for _, fields in conflicts):
        causes = sorted((_named(manager), f.spell(path)) for manager, fields in conflicts for path in fields)
        raise apply_conflict(causes)
    others = [_keep(manager, touched | removed) for manager in others]
    if merged == base:
        own = replace(own, time=last.time if last is not None else "")
    return merged, [*others, own]


def _managers_before(node: Node, live: dict[str, Any], writer: Writer) -> list[Manager]:
    """The managers of the stored object; the first one owns what was never tracked."""
    managers = read_managers(live)
    if live and not managers and live.get("metadata", {}).get("uid"):
        all_fields = f.field_set(node, _untracked(live)) - _STRIPPED
        managers = [Manager(FIRST, UPDATE, writer.version, "", writer.now, all_fields)]
    return writer.known(managers)


def _named(manager: Manager) -> str:
    text = f'"{manager.name}"'
    if manager.subresource:
        text += f' with subresource "{manager.subresource}"'
    if manager.operation == UPDATE:
        text += f" using {manager.version}"
    return text
