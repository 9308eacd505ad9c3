"""Validation of CustomResourceDefinitions except their schemas, and the acceptance of their names.

After the validation of k8s.io/apiextensions-apiserver, in its words.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kube_devserver.api_errors import IMMUTABLE, Cause, prohibited, required, unsupported_value, wrong
from kube_devserver.objects.conditions import conditions_of
from kube_devserver.objects.kinds import Body
from kube_devserver.objects.names import IN_SUBDOMAIN, SUBDOMAIN, service_faults

COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
COLUMN_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
MIXED = "may have mixed case, but should otherwise match: "


def definition_faults(body: Body, old: Body | None) -> list[Cause]:
    """Every error of a definition outside its schemas.

    Args:
        body: the definition, with defaults.
        old: the definition that it replaces; None for a create.
    """
    found = shape_faults(body["spec"]) + _stored_faults(body, old)
    return found + (_changes(body["spec"], old) if old is not None else [])


def shape_faults(spec: Body) -> list[Cause]:
    """Errors for which a stored definition cannot be served."""
    found = _group_faults(spec.get("group", ""))
    scope = spec.get("scope", "")
    if not scope:
        found.append(required("spec.scope"))
    elif scope not in ("Cluster", "Namespaced"):
        found.append(unsupported_value("spec.scope", scope, ["Cluster", "Namespaced"]))
    found += _name_faults(spec.get("names") or {}) + _version_faults(spec.get("versions"))
    found += _conversion_faults(spec.get("conversion") or {})
    if spec.get("preserveUnknownFields"):
        text = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true"
        text += " in spec.versions[*].schema instead"
        found.append(wrong("spec.preserveUnknownFields", True, text))
    return found


def _stored_faults(body: Body, old: Body | None) -> list[Cause]:
    """Errors of a definition that drops a version in which objects are stored."""
    versions = body["spec"].get("versions") or ()
    names = {version.get("name", "") for version in versions}
    stored = (body.get("status") or {}).get("storedVersions")
    if not stored:
        text = "must have at least one stored version"
        return [wrong("status.storedVersions", stored, text)] if old is None else []
    kept = [version.get("name", "") for version in versions if version.get("storage")]
    missing = [f"must have the storage version {name}" for name in kept if name not in stored]
    return [wrong("status.storedVersions", stored, text) for text in missing] + [
        wrong(f"status.storedVersions[{i}]", name, (
            f"missing from spec.versions; {name} was previously a storage version, and must remain in"
            f" spec.versions until a storage migration ensures no data remains persisted in {name}"
            f" and removes {name} from status.storedVersions"
        ))
        for i, name in enumerate(stored) if name not in names
    ]  # fmt: skip


def _group_faults(group: str) -> list[Cause]:
    if not group:
        return [required("spec.group")]
    if not SUBDOMAIN.match(group):
        return [wrong("spec.group", group, IN_SUBDOMAIN)]
    return [] if "." in group else [wrong("spec.group", group, "should be a domain with at least one dot")]


def _name_faults(names: Body) -> list[Cause]:
    path = "spec.names"
    needed = ("plural", "singular", "kind", "listKind")
    found = [required(f"{path}.{name}") for name in needed if not names.get(name)]
    for name, before in (("plural", ""), ("singular", ""), ("kind", MIXED), ("listKind", MIXED)):
        value = names.get(name, "")
        faults = service_faults(value.lower() if before else value)
        if value and faults:
            found.append(wrong(f"{path}.{name}", value, before + ",".join(faults)))
    for name in ("shortNames", "categories"):
        for i, value in enumerate(names.get(name) or ()):
            if faults := service_faults(value):
                found.append(wrong(f"{path}.{name}[{i}]", value, ",".join(faults)))
    if names.get("kind") and names["kind"] == names.get("listKind"):
        found.append(wrong(f"{path}.listKind", names["listKind"], "kind and listKind may not be the same"))
    return found


def _version_faults(versions: list[Body] | None) -> list[Cause]:
    found, names = [], [version.get("name", "") for version in versions or ()]
    if names and names[0] and (faults := service_faults(names[0])):
        found.append(wrong("spec.version", names[0], ",".join(faults)))
    for i, version in enumerate(versions or ()):
        where = f"spec.versions[{i}]"
        if faults := service_faults(names[i]):
            found.append(wrong(f"{where}.name", names[i], ",".join(faults)))
        # As in Kubernetes: the fields of an only version are the spec's.
        where = "spec" if len(names) == 1 else where
        for j, column in enumerate(version.get("additionalPrinterColumns") or ()):
            found += _column_faults(column, f"{where}.additionalPrinterColumns[{j}]")
        if (scale := (version.get("subresources") or {}).get("scale")) is not None:
            found += _scale_faults(scale, f"{where}.subresources.scale")
    if len(set(names)) < len(names):
        found.append(wrong("spec.versions", names, "must contain unique version names"))
    if sum(bool(version.get("storage")) for version in versions or ()) != 1:
        text = "must have exactly one version marked as storage version"
        found.append(wrong("spec.versions", names, text))
    return found


def _column_faults(column: Body, where: str) -> list[Cause]:
    found = [] if column.get("name") else [required(f"{where}.name")]
    kind, form, path = column.get("type", ""), column.get("format", ""), column.get("jsonPath", "")
    text = f"must be one of {','.join(COLUMN_TYPES)}"
    if kind not in COLUMN_TYPES:
        found.append(wrong(f"{where}.type", kind, text) if kind else required(f"{where}.type", text))
    if form and form not in COLUMN_FORMATS:
        found.append(wrong(f"{where}.format", form, f"must be one of {','.join(COLUMN_FORMATS)}"))
    if not path:
        found.append(required(f"{where}.JSONPath"))
    return found + _path_faults(path, f"{where}.JSONPath", ())


def _scale_faults(scale: Body, where: str) -> list[Cause]:
    found = []
    for name, below in (("specReplicasPath", (".spec.",)), ("statusReplicasPath", (".status.",))):
        if not scale.get(name):
            found.append(required(f"{where}.{name}"))
        found += _path_faults(scale.get(name, ""), f"{where}.{name}", below)
    return found + _path_faults(
        scale.get("labelSelectorPath", ""), f"{where}.labelSelectorPath", (".spec.", ".status.")
    )


def _path_faults(path: str, where: str, below: tuple[str, ...]) -> list[Cause]:
    """Errors of an optional path."""
    if path and not path.startswith("."):
        return [wrong(where, path, "must be a simple json path starting with .")]
    if path and below and not path.startswith(below):
        places = f"under {below[0][:-1]}" if len(below) == 1 else "under either .spec or .status"
        return [wrong(where, path, f"should be a json path {places}")]
    return []


NO_WEBHOOKS = "webhooks are not supported by this API server"


def _conversion_faults(conversion: Body) -> list[Cause]:
    path, strategy = "spec.conversion.strategy", conversion.get("strategy", "")
    if strategy == "Webhook":
        return [prohibited(path, NO_WEBHOOKS)]
    return [] if strategy == "None" else [unsupported_value(path, strategy, ["None", "Webhook"])]


def _changes(spec: Body, old: Body) -> list[Cause]:
    """Errors of changes to fields that identify the stored objects."""
    was, names, had = old["spec"], spec.get("names") or {}, old["spec"].get("names") or {}
    pairs = [
        ("spec.group", spec.get("group"), was.get("group")),
        ("spec.names.plural", names.get("plural"), had.get("plural")),
    ]
    conditions = conditions_of(old)
    if any(each["type"] == "Established" and each["status"] == "True" for each in conditions):
        pairs += [
            ("spec.scope", spec.get("scope"), was.get("scope")),
            ("spec.names.kind", names.get("kind"), had.get("kind")),
        ]
    return [wrong(path, new, IMMUTABLE) for path, new, before in pairs if new != before]


# ------------------------------------------------------------------ status and names


def mark_terminating(body: Body, now: str) -> Body:
    """A definition that is being deleted, with the condition Terminating."""
    condition = {
        "type": "Terminating", "status": "True", "lastTransitionTime": now,
        "reason": "InstanceDeletionPending",
        "message": "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
    }  # fmt: skip
    status = body.get("status") or {}
    kept = [each for each in status.get("conditions") or () if each.get("type") != "Terminating"]
    return body | {"status": status | {"conditions": [*kept, condition]}}


def accept_names(names: Body, accepted: Body, others: Iterable[Body]) -> tuple[Body, str, str]:
    """The names that a definition gets. After NamingConditionController of k8s.io/apiextensions-apiserver.

    Args:
        names: `spec.names`.
        accepted: names that it has already, `status.acceptedNames`.
        others: names of other definitions and of built-in kinds of the group.

    Returns:
        The accepted names, and a reason and a message if another definition has one of them.

    >>> accept_names({"plural": "as", "kind": "A"}, {}, [{"plural": "bs", "kind": "A"}])
    ({'plural': 'as'}, 'KindConflict', '"A" is already in use')
    """
    resources, kinds = set[str](), set[str]()
    for each in others:
        resources |= {each.get("plural", ""), each.get("singular", ""), *(each.get("shortNames") or ())}
        kinds |= {each.get("kind", ""), each.get("listKind", "")}
    found, reason, message = dict(accepted), "", ""
    for name in ("plural", "singular", "shortNames", "kind", "listKind"):
        taken = kinds if name in ("kind", "listKind") else resources
        wanted, had = names.get(name), _listed(accepted.get(name))
        used = [f'"{n}" is already in use' for n in _listed(wanted) if n not in had and n in taken]
        if used:
            reason = f"{name[0].upper()}{name[1:]}Conflict"
            message = used[0] if len(used) == 1 else f"[{', '.join(used)}]"
        elif wanted is not None:
            found[name] = wanted
        else:
            found.pop(name, None)
    found.pop("categories", None)
    return found | ({"categories": names["categories"]} if names.get("categories") else {}), reason, message


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())
