"""Pure: the rules on `spec.runtime`: keys that are not valid or that others set, and duplicate Secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from spiko_operator.plan.names import PREFIX
from spiko_operator.plan.topology import REGION_LABEL, ZONE_LABEL
from spiko_operator.plan.validation.findings import Finding, found, shorten
from spiko_operator.plan.validation.partial_spec import PartialSpec

PATH = "spec.runtime"
_NAME = re.compile(r"[A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?")
_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LONGEST_PREFIX = 253
_TOPOLOGY = "set by the operator for each pod: name regions and zones in spec.topology instead"
# Field -> keys -> who sets them. A removed `restartedAt` would stay, as one of `kubectl rollout restart`.
_RESERVED: Mapping[str, Mapping[str, str]] = {
    "nodeSelector": {REGION_LABEL: _TOPOLOGY, ZONE_LABEL: _TOPOLOGY},
    "labels": {"pod-template-hash": "set by Kubernetes"},
    "annotations": {"kubectl.kubernetes.io/restartedAt": "set by kubectl rollout restart"},
}


def runtime_rules(spec: PartialSpec) -> list[Finding]:
    """Return the findings about the keys of maps, and about Secrets."""
    findings: list[Finding] = []
    for field in _RESERVED:
        given = spec.runtime.get(field)
        for key in given if isinstance(given, Mapping) else ():
            findings += _key(field, str(key))
    return [*findings, *_secrets(spec.runtime.get("imagePullSecrets"))]


def _key(field: str, key: str) -> Iterator[Finding]:
    path, text = f"{PATH}.{field}", f"key {shorten(key, 80)}"
    prefix, slash, name = key.rpartition("/")
    # Kubernetes takes capital letters in the prefix of an annotation.
    checked = prefix.lower() if field == "annotations" else prefix
    is_prefix = len(prefix) <= _LONGEST_PREFIX and _PREFIX.fullmatch(checked)
    if not _NAME.fullmatch(name) or (slash and not is_prefix):
        yield found("BadKey", path, key, f"{text}: not a valid {_noun(field)}")
    elif field != "nodeSelector" and key.startswith(PREFIX):
        hint = f"use a key that does not begin with {PREFIX}"
        yield found("ReservedKey", path, key, f"{text}: set by the operator", hint)
    elif key in _RESERVED[field]:
        setter, _, hint = _RESERVED[field][key].partition(": ")
        yield found("ReservedKey", path, key, f"{text}: {setter}", hint)


def _noun(field: str) -> str:
    return "key of an annotation" if field == "annotations" else "key of a label"


def _secrets(given: Any) -> Iterator[Finding]:
    seen = set()
    for i, entry in enumerate(given if isinstance(given, list) else ()):
        name = entry.get("name") if isinstance(entry, Mapping) else None
        if isinstance(name, str) and name in seen:
            text = f"{shorten(name)} is listed twice"
            yield found("DuplicateSecret", f"{PATH}.imagePullSecrets[{i}].name", name, text)
        if isinstance(name, str):
            seen.add(name)
