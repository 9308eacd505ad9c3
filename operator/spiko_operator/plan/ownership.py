"""Pure: whether the names that an Architecture needs are free, and what a deleted namesake left behind.

Labels do not prove ownership: an object belongs to the Architecture whose UID is in its controller reference.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from spiko_operator.api.architecture import KIND
from spiko_operator.api.common import API_VERSION
from spiko_operator.api.reasons import Reason
from spiko_operator.plan import names
from spiko_operator.plan.actions import Delete
from spiko_operator.plan.objects import Object, controller_of, is_deleting
from spiko_operator.plan.observed import ObjectKey, Observed
from spiko_operator.plan.status import Rejection
from spiko_operator.plan.timestamps import epoch_s

# Seconds after which garbage collection is assumed to have missed an object.
GARBAGE_COLLECTION_S = 10
OWNED_KINDS = frozenset({"Deployment", "Service", "PodDisruptionBudget"})
_GROUPS = {"ReplicaSet": "apps", "Deployment": "apps", KIND: API_VERSION.partition("/")[0]}


@dataclass(frozen=True)
class NameCheck:
    """The outcome of checking names.

    Args:
        taken: a rejection for each name of an object with another owner.
        waiting: whether objects of a deleted owner are still being collected.
    """

    taken: tuple[Rejection, ...]
    waiting: bool

    @property
    def is_free(self) -> bool:
        """Whether every name can be used now."""
        return not self.taken and not self.waiting


def check_names(observed: Observed, desired: Sequence[Object]) -> NameCheck:
    """Check the name of every desired object and of the state ConfigMap."""
    keys = [("ConfigMap", names.state_name(observed.name)), *map(key_of, desired)]
    taken, waiting = [], False
    for key in keys:
        body = observed.objects.get(key) or observed.foreign.get(key)
        if body is None or observed.owns(body):
            continue
        owner = controller_of(body)
        if owner is not None and owner["kind"] == KIND and owner["uid"] not in observed.live_uids:
            waiting = True
            continue
        holder = f"{owner['kind']} {owner['name']}" if owner else "another owner"
        text = (
            f"{key[0]} {key[1]} belongs to {holder}; rename the architecture or the tier, or remove that "
            "object"
        )
        taken.append(Rejection(Reason.NAME_TAKEN, text))
    return NameCheck(tuple(taken), waiting)


def unknown_names(observed: Observed, desired: Sequence[Object]) -> tuple[ObjectKey, ...]:
    """Return the names that the cache does not have: they are looked up before the first apply."""
    return tuple(key for key in map(key_of, desired) if key not in observed.objects)


def delete_leftovers(observed: Observed) -> list[Delete]:
    """Delete objects left by a deleted Architecture of the same name if garbage collection missed them.

    A garbage collector whose watch breaks while an Architecture is deleted and another of the same name is
    created sees one updated Architecture, and keeps the objects of the deleted one until it restarts.
    """
    created = observed.architecture["metadata"].get("creationTimestamp", observed.now)
    if epoch_s(observed.now) - epoch_s(created) < GARBAGE_COLLECTION_S:
        return []
    return [
        Delete(kind, observed.namespace, name, body["metadata"]["uid"])
        for (kind, name), body in observed.objects.items()
        if kind in OWNED_KINDS | {"ConfigMap"} and _is_leftover(body, observed) and not is_deleting(body)
    ]


def _is_leftover(body: Object, observed: Observed) -> bool:
    """Whether a deleted Architecture of the same name owned the object."""
    owner, uid = controller_of(body), observed.architecture["metadata"]["uid"]
    if owner is None or owner["kind"] != KIND or owner["name"] != observed.name:
        return False
    return owner["uid"] != uid and owner["uid"] not in observed.live_uids


@dataclass(frozen=True)
class Owner:
    """The object that a controller reference names."""

    name: str
    uid: str


def owner_of(body: Object, kind: str) -> Owner | None:
    """Return the controller of an object if it is of this kind, else None.

    A pod belongs to an Architecture by the chain Pod, ReplicaSet, Deployment, Architecture; `Owners` in
    `cluster/owners.py` follows it.

    Args:
        body: the object.
        kind: ReplicaSet, Deployment or Architecture; one of the same name in another API group is not meant.
    """
    found = controller_of(body)
    if found is None or found.get("kind") != kind:
        return None
    group = str(found.get("apiVersion", "")).partition("/")[0]
    return Owner(str(found["name"]), str(found["uid"])) if group == _GROUPS[kind] else None


def owned_by(bodies: Iterable[Object], uid: str) -> list[Object]:
    """Return the objects that the Architecture with this UID controls."""
    return [body for body in bodies if (owner := owner_of(body, KIND)) is not None and owner.uid == uid]


def key_of(body: Object) -> ObjectKey:
    """Return the kind and the name of an object."""
    return body["kind"], body["metadata"]["name"]
