"""Validation of built-in kinds: which function checks which kind."""

from __future__ import annotations

from collections.abc import Callable

from kube_devserver.api_errors import Cause, required, wrong
from kube_devserver.custom.definition_validation import definition_faults
from kube_devserver.custom.structural_schemas import schema_faults
from kube_devserver.objects import events, kinds
from kube_devserver.objects.core_validation import lease_faults, service_faults
from kube_devserver.objects.data_validation import config_map_faults, secret_faults
from kube_devserver.objects.kinds import Body, Kind
from kube_devserver.objects.pod_validation import pod_faults
from kube_devserver.objects.workload_validation import budget_faults, deployment_faults, replica_set_faults


def object_faults(kind: Kind, body: Body, old: Body | None) -> list[Cause]:
    """Every error of an object of a built-in kind, except those that the stored object has already.

    An object that an earlier release accepted can thus still be changed and deleted.

    Args:
        kind: group and plural.
        body: the object.
        old: the object that it replaces; None for a create.
    """
    check = _CHECKS.get(kind)
    found = check(body, old) if check is not None else []
    if not found or old is None or check is None:
        return found
    before = check(old, old)
    return [cause for cause in found if cause not in before]


def _definition_faults(body: Body, old: Body | None) -> list[Cause]:
    spec = body["spec"]
    name = body["metadata"].get("name", "")
    found = definition_faults(body, old)
    if old is None and name != f"{(spec.get('names') or {}).get('plural', '')}.{spec.get('group', '')}":
        found.append(wrong("metadata.name", name, 'must be spec.names.plural+"."+spec.group'))
    versions = spec.get("versions") or []
    for i, version in enumerate(versions):
        if not (version.get("schema") or {}).get("openAPIV3Schema"):
            found.append(required(f"spec.versions[{i}].schema.openAPIV3Schema"))
    return found + _schemas_faults(versions, (old["spec"].get("versions") or []) if old is not None else [])


def _schemas_faults(versions: list[Body], before: list[Body]) -> list[Cause]:
    """Errors in the schemas of versions that are new or have changed.

    A schema that all versions share is checked once, and its path is that of the oldest API.
    """
    schemas = [(version.get("schema") or {}).get("openAPIV3Schema") for version in versions]
    is_shared = all(each == schemas[0] for each in schemas)
    found = []
    for i, (version, schema) in enumerate(zip(versions, schemas, strict=True)):
        if schema and version not in before and not (is_shared and i):
            where = "validation" if is_shared else f"versions[{i}].schema"
            found += schema_faults(schema, f"spec.{where}.openAPIV3Schema")
    return found


_CHECKS: dict[Kind, Callable[[Body, Body | None], list[Cause]]] = {
    kinds.DEPLOYMENTS: deployment_faults,
    kinds.REPLICA_SETS: replica_set_faults,
    kinds.PODS: pod_faults,
    kinds.SERVICES: service_faults,
    kinds.CONFIG_MAPS: config_map_faults,
    kinds.SECRETS: secret_faults,
    kinds.BUDGETS: budget_faults,
    kinds.LEASES: lease_faults,
    kinds.NEW_EVENTS: events.faults,
    kinds.EVENTS: events.core_faults,
    kinds.DEFINITIONS: _definition_faults,
}
