"""Pure: Kubernetes objects as plain JSON values: labels, owners, conditions, readiness."""

from __future__ import annotations

from typing import Any

from spiko_operator.api.architecture import KIND as ARCHITECTURE
from spiko_operator.api.common import API_VERSION
from spiko_operator.plan import names

Object = dict[str, Any]
Key = tuple[str, str]  # namespace and name of an Architecture or a Fault
MOST_MESSAGE = 1024  # bytes of a condition's message: the limit of an event's note
_ELLIPSIS = "…".encode()


def key_of(body: Object) -> Key:
    """Return namespace and name of an object."""
    return body["metadata"]["namespace"], body["metadata"]["name"]


def labels_of(body: Object) -> dict[str, str]:
    """Return the labels of an object; empty if it has none."""
    return body["metadata"].get("labels") or {}


def desired_digest(body: Object) -> str | None:
    """Return the digest of the last applied desired object, from its annotation; None without one."""
    digest: str | None = (body["metadata"].get("annotations") or {}).get(names.DESIRED_ANNOTATION)
    return digest


def controller_of(body: Object) -> Object | None:
    """Return the owner reference of the controller, or None."""
    owners = body["metadata"].get("ownerReferences") or ()
    return next((owner for owner in owners if owner.get("controller")), None)


def replica_set_of(pod: Object) -> str | None:
    """Return the name of the ReplicaSet that owns a pod, or None."""
    owners = pod["metadata"].get("ownerReferences") or ()
    return next((owner["name"] for owner in owners if owner["kind"] == "ReplicaSet"), None)


def owner_reference(architecture: Object) -> Object:
    """Return the reference that makes an Architecture the controller of an object."""
    return {
        "apiVersion": API_VERSION,
        "kind": ARCHITECTURE,
        "name": architecture["metadata"]["name"],
        "uid": architecture["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def is_deleting(body: Object) -> bool:
    """Whether the object was deleted and waits for its grace period or its finalizers."""
    return bool(body["metadata"].get("deletionTimestamp"))


def condition(body: Object, kind: str) -> Object:
    """Return the condition of this type from an object's status; empty if it has none."""
    conditions = (body.get("status") or {}).get("conditions") or ()
    return next((c for c in conditions if c["type"] == kind), {})


def is_ready(pod: Object) -> bool:
    """Whether a pod is Ready and not being deleted."""
    return not is_deleting(pod) and condition(pod, "Ready").get("status") == "True"


def truncate(text: str, most: int = MOST_MESSAGE) -> str:
    """Return the text, cut to at most so many bytes of UTF-8; a cut text ends in an ellipsis.

    The API server counts bytes in some fields and characters in others; there are at least as many bytes. No
    character is split, and half of a surrogate pair becomes a question mark.

    >>> truncate("abcdef", 5), truncate("äbc", 4), truncate("äbcd", 4)
    ('ab…', 'äbc', '…')
    """
    encoded = text.encode(errors="replace")
    if len(encoded) > most:
        encoded = encoded[: most - len(_ELLIPSIS)]
        return encoded.decode(errors="ignore") + _ELLIPSIS.decode()
    return encoded.decode()
