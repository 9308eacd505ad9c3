"""Pure: whether the names that an Architecture needs are free, and which objects belong to it.

Labels do not prove ownership: an object belongs to the Architecture whose UID is in its controller reference.
Objects without a living owner that the operator once applied for an Architecture of this name are adopted:
they were kept by `kubectl delete --cascade=orphan`, or restored from a backup.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from spiko_operator.api.architecture import KIND
from spiko_operator.api.common import API_VERSION
from spiko_operator.api.reasons import Reason
from spiko_operator.plan import names
from spiko_operator.plan.actions import Delete
from spiko_operator.plan.name_claims import is_older, tiers_of
from spiko_operator.plan.objects import Object, controller_of, is_deleting, labels_of
from spiko_operator.plan.observed import ObjectKey, Observed
from spiko_operator.plan.status import Rejection
from spiko_operator.plan.timestamps import epoch_s

# Seconds after which garbage collection is assumed to have missed an object.
GARBAGE_COLLECTION_S = 10
OWNED_KINDS = frozenset({"Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy"})
_GROUPS = {"ReplicaSet": "apps", "Deployment": "apps", KIND: API_VERSION.partition("/")[0]}


@dataclass(frozen=True)
class NameCheck:
    """The outcome of checking names.

    Args:
        taken: a rejection for each name of an object with another owner.
        waiting: whether objects of a deleted owner are still being collected.
        holders: UIDs of the Architectures that have one of the names.
    """

    taken: tuple[Rejection, ...]
    waiting: bool
    holders: frozenset[str] = frozenset()

    @property
    def is_free(self) -> bool:
        """Whether every name can be used now."""
        return not self.taken and not self.waiting


def check_names(observed: Observed, desired: Sequence[Object]) -> NameCheck:
    """Check the name of every desired object and of the state ConfigMap."""
    secrets = [("Secret", names.keys_name(observed.name)), ("Secret", names.READ_SECRET)]
    keys = [("ConfigMap", names.state_name(observed.name)), *secrets, *map(object_key_of, desired)]
    taken: list[Rejection] = []
    waiting, holders = False, set()
    for key in keys:
        body = observed.objects.get(key) or observed.foreign.get(key)
        if body is None or is_ours(observed, body):
            continue
        owner = controller_of(body)
        uid = owner["uid"] if owner is not None and owner["kind"] == KIND else None
        if _is_leftover(observed, body) or (uid is not None and uid not in observed.live_uids):
            waiting = True
            continue
        if uid is not None:
            holders.add(uid)
        holder = f"{owner['kind']} {owner['name']}" if owner else "another owner"
        text = (
            f"{key[0]} {key[1]} belongs to {holder}; rename the architecture or the tier, or remove that "
            "object"
        )
        taken.append(Rejection(Reason.NAME_TAKEN, text))
    return NameCheck(tuple(taken), waiting, frozenset(holders))


def unknown_names(observed: Observed, desired: Sequence[Object]) -> tuple[ObjectKey, ...]:
    """Return the names that the cache does not have: they are looked up before the first apply."""
    return tuple(key for key in map(object_key_of, desired) if key not in observed.objects)


def is_ours(observed: Observed, body: Object) -> bool:
    """Whether the Architecture owns an object, or adopts it."""
    return observed.owns(body) or is_adoptable(observed, body)


def is_adoptable(observed: Observed, body: Object) -> bool:
    """Whether an object was left by an Architecture of this name, and is not deleted.

    An object whose owner is gone is adopted after the time of garbage collection, which misses some: a
    garbage collector whose watch breaks while an Architecture is deleted and another of the same name is
    created sees one updated Architecture.
    """
    if not _is_leftover(observed, body) or is_deleting(body):
        return False
    if controller_of(body) is None:
        return True
    created = observed.architecture["metadata"].get("creationTimestamp", observed.now)
    return epoch_s(observed.now) - epoch_s(created) >= GARBAGE_COLLECTION_S


def release(observed: Observed, holders: frozenset[str], started: bool) -> list[Delete]:
    """Delete objects that were created before it was seen that another Architecture has some of the names.

    Two operators that accept two Architectures at the same moment may each create some of the names.

    Args:
        observed: the observed state.
        holders: UIDs of the other Architectures, from `check_names`.
        started: whether this Architecture was ever Ready. If not, all of it is deleted. Otherwise the younger
            of the two deletes the tiers whose names the older one needs.
    """
    rivals = [other for other in observed.neighbors if other["metadata"]["uid"] in holders]
    needed: set[str] = set()
    for other in rivals:
        if is_older(other, observed.architecture):
            needed |= names.needed_names(other["metadata"]["name"], tiers_of(other))
    return [
        Delete(kind, observed.namespace, name, body["metadata"]["uid"])
        for (kind, name), body in observed.objects.items()
        if rivals and observed.owns(body) and not is_deleting(body)
        if not started or names.service_name(observed.name, labels_of(body).get(names.TIER, "")) in needed
    ]


def _is_leftover(observed: Observed, body: Object) -> bool:
    """Whether the operator applied the object for an Architecture of this name that does not exist."""
    managers = {entry.get("manager") for entry in body["metadata"].get("managedFields") or ()}
    if labels_of(body).get(names.ARCHITECTURE) != observed.name or names.FIELD_MANAGER not in managers:
        return False
    owner = controller_of(body)
    return owner is None or (
        owner["kind"] == KIND and owner["name"] == observed.name and owner["uid"] not in observed.live_uids
    )


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


def object_key_of(body: Object) -> ObjectKey:
    """Return the kind and the name of an object."""
    return body["kind"], body["metadata"]["name"]
