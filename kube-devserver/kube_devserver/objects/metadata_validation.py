"""Validation of metadata. After ValidateObjectMeta of k8s.io/apimachinery, in its words."""

from __future__ import annotations

import re

from kube_devserver.api_errors import Cause, required, wrong
from kube_devserver.objects.kinds import Body
from kube_devserver.objects.names import ANNOTATIONS_MAX, IN_LABEL, IN_SUBDOMAIN, LABEL, SUBDOMAIN, key_faults
from kube_devserver.objects.selectors import label_faults

_STANDARD_FINALIZERS = ("orphan", "foregroundDeletion", "kubernetes")


def metadata_faults(kind: str, body: Body, plain_name: bool, custom: bool) -> list[Cause]:
    """Every error of an object's metadata.

    Args:
        kind: names of Services and Namespaces are stricter than others.
        body: the object.
        plain_name: whether any path segment is a valid name.
        custom: whether it is of a custom kind, or defines one: these may have any finalizer.
    """
    metadata = body["metadata"]
    if not metadata.get("name", ""):
        return [required("metadata.name", "name or generateName is required")]
    found = _name_faults(kind, metadata["name"], plain_name)
    found += label_faults(metadata.get("labels") or {}, "metadata.labels")
    annotations = metadata.get("annotations") or {}
    for key in annotations:
        found += [wrong("metadata.annotations", key, text) for text in key_faults(key.lower())]
    if sum(len(k.encode()) + len(v.encode()) for k, v in annotations.items()) > ANNOTATIONS_MAX:
        text = f"Too long: may not be more than {ANNOTATIONS_MAX} bytes"
        found.append(Cause("metadata.annotations", "FieldValueTooLong", text))
    return found + _owner_faults(metadata) + _finalizer_faults(metadata.get("finalizers") or (), custom)


def _name_faults(kind: str, name: str, plain_name: bool) -> list[Cause]:
    if plain_name:
        if name in (".", "..") or "/" in name or "%" in name:
            return [wrong("metadata.name", name, "may not be '.', '..' or contain '/' or '%'")]
        return []
    if kind in ("Namespace", "Service"):
        return _pattern_faults(name, LABEL, IN_LABEL, 63)
    return _pattern_faults(name, SUBDOMAIN, IN_SUBDOMAIN, 253)


def _pattern_faults(name: str, pattern: re.Pattern[str], text: str, most: int) -> list[Cause]:
    found = []
    if len(name) > most:
        found.append(wrong("metadata.name", name, f"must be no more than {most} characters"))
    if not pattern.match(name):
        found.append(wrong("metadata.name", name, text))
    return found


def _owner_faults(metadata: Body) -> list[Cause]:
    owners = metadata.get("ownerReferences") or ()
    found = [
        wrong(f"metadata.ownerReferences[{i}].{needed}", owner.get(needed, ""), "must not be empty")
        for i, owner in enumerate(owners)
        for needed in ("apiVersion", "kind", "name", "uid")
        if not owner.get(needed)
    ]
    if sum(bool(owner.get("controller")) for owner in owners) > 1:
        text = "Only one reference can have Controller set to true."
        found.append(wrong("metadata.ownerReferences", owners, text))
    return found


def _finalizer_faults(finalizers: list[str] | tuple[()], custom: bool) -> list[Cause]:
    found = []
    for i, finalizer in enumerate(finalizers):
        found += [wrong("metadata.finalizers", finalizer, text) for text in key_faults(finalizer)]
        if {"orphan", "foregroundDeletion"} <= set(finalizers[: i + 1]):
            text = "finalizer orphan and foregroundDeletion cannot be both set"
            found.append(wrong("metadata.finalizers", finalizers, text))
        if not custom and "/" not in finalizer and finalizer not in _STANDARD_FINALIZERS:
            text = "name is neither a standard finalizer name nor is it fully qualified"
            found.append(wrong(f"metadata.finalizers[{i}]", finalizer, text))
    return found
