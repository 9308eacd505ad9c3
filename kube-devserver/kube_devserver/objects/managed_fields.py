"""Field management: `metadata.managedFields` kept through every write, and server-side apply itself.

After k8s.io/apimachinery's managedfields package: each manager, per operation, version and subresource, has the set of fields that it
last set. An update takes what it changes from everybody; an apply is refused if it would change what somebody else owns.
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
    """One entry: who, and the fields."""

    name: str
    operation: str
    version: str
    subresource: str
    time: str
    fields: Fields

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """What tells entries apart."""
        return (self.name, self.operation, self.version if self.operation == UPDATE else "", self.subresource)

    def encode(self) -> dict[str, Any]:
        """As it stands in metadata."""
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
        StatusError: 400, they cannot be read.
    """
    found = []
    for entry in body.get("metadata", {}).get("managedFields") or ():
        try:
            if entry.get("operation") not in (APPLY, UPDATE):
                raise ValueError(f"operation is `{entry.get('operation', '')}`")
            found.append(Manager(
                entry.get("manager", ""), entry["operation"], entry.get("apiVersion", ""), entry.get("subresource", ""),
                entry.get("time", ""), f.read(entry.get("fieldsV1") or {}),
            ))  # fmt: skip
        except (AttributeError, TypeError, ValueError) as error:
            raise bad_request(f"metadata.managedFields: {error}") from error
    return found


def write_managers(body: dict[str, Any], managers: list[Manager]) -> dict[str, Any]:
    """The object with these entries."""
    kept = sorted(
        (m for m in managers if m.fields), key=lambda m: (m.operation, m.time, m.name, m.version, m.subresource)
    )
    metadata = {key: value for key, value in body.get("metadata", {}).items() if key != "managedFields"}
    if kept:
        metadata["managedFields"] = [manager.encode() for manager in kept]
    return body | {"metadata": metadata}


def timeless(body: dict[str, Any]) -> dict[str, Any]:
    """An object without the times of its entries."""
    metadata = body["metadata"]
    entries = [{k: v for k, v in entry.items() if k != "time"} for entry in metadata.get("managedFields") or ()]
    return body | {"metadata": metadata | {"managedFields": entries}}


@dataclass(frozen=True)
class Writer:
    """Who writes: the manager's name, the object's version, the subresource, and now (RFC 3339).

    With `only_own` the fields of other versions cannot be translated: those who own them are forgotten, as Kubernetes does.
    """

    name: str
    version: str
    subresource: str
    now: str
    reset: tuple[Path, ...] = ()  # fields that this end point ignores
    only_own: bool = False

    def known(self, entries: list[Manager]) -> list[Manager]:
        """The entries that are left."""
        return [each for each in entries if each.version == self.version] if self.only_own else entries


def track_update(node: Node, live: dict[str, Any] | None, new: dict[str, Any], writer: Writer) -> dict[str, Any]:
    """The object with the entries after a create, an update or a patch."""
    given = new.get("metadata", {}).get("managedFields")
    base = _base(live, new, given, writer)
    if live is not None and not base:
        return write_managers(new, [])  # whose owners were never known, or forgotten: the next apply begins to track
    before = _untracked(live) if live is not None else _nothing(node)
    touched, removed = f.changed(node, before, _untracked(new))
    touched, removed = _tracked(touched, writer), _tracked(removed, writer)
    own = Manager(writer.name, UPDATE, writer.version, writer.subresource, writer.now, touched)
    found = [_keep(manager, touched | removed) for manager in writer.known(base)]
    if touched:
        own_before = next((manager.fields for manager in found if manager.identity == own.identity), f.NOTHING)
        found = [manager for manager in found if manager.identity != own.identity]
        found.append(replace(own, fields=touched | own_before))
    return write_managers(new, _cap(found))


def _nothing(node: Node) -> dict[str, Any]:
    """What an object is before it is created: of a built-in kind the structs that are always there."""
    return {} if node.custom else node.nothing | {"metadata": {}}


def _base(live: dict[str, Any] | None, new: dict[str, Any], given: Any, writer: Writer) -> list[Manager]:
    """The entries to start from: those that the request carries, if they can be read, else the object's own."""
    if given is not None and not writer.subresource:
        if given in ([], [{}]):
            return []  # starts them anew
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
    """At most ten updaters: the oldest of more become one."""
    updaters = sorted((m for m in managers if m.operation == UPDATE and m.fields), key=lambda m: (m.time, m.name))
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
        node: the kind's.
        live: the object as it is; an empty one to create it.
        config: what is applied, all of it.
        writer: whose intent it is.
        force: take fields that others own.

    Returns:
        The merged object without entries, and the entries that it shall have (times of changed ones are now).

    Raises:
        StatusError: 409, others own what would change.
    """
    managers = read_managers(live)
    if live and not managers and live.get("metadata", {}).get("uid"):
        all_fields = f.field_set(node, _untracked(live)) - _STRIPPED
        managers = [Manager(FIRST, UPDATE, writer.version, "", writer.now, all_fields)]
    managers = writer.known(managers)
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
    hurt = [(manager, manager.fields & touched) for manager in others]
    if not force and any(fields for _, fields in hurt):
        causes = sorted((_named(manager), f.spell(path)) for manager, fields in hurt for path in fields)
        raise apply_conflict(causes)
    others = [_keep(manager, touched | removed) for manager in others]
    if merged == base:
        own = replace(own, time=last.time if last is not None else "")
    return merged, [*others, own]


def _named(manager: Manager) -> str:
    text = f'"{manager.name}"'
    if manager.subresource:
        text += f' with subresource "{manager.subresource}"'
    if manager.operation == UPDATE:
        text += f" using {manager.version}"
    return text
